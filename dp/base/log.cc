#include "dp/base/log.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <memory>
#include <mutex>

#include <fmt/format.h>
#include <poll.h>
#include <spdlog/async.h>
#include <spdlog/async_logger.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

namespace fairlead {
namespace {

bool is_plain(char character) {
    const auto code = static_cast<unsigned char>(character);  // Bytes above 0x7F are UTF-8.
    return code > ' ' && code != 0x7F && character != '"' && character != '=' && character != '\\';
}

void append_quoted(std::string& line, std::string_view value) {
    line += '"';
    for (const char character : value) {
        const auto code = static_cast<unsigned char>(character);
        if (character == '"' || character == '\\') {
            line += '\\';
            line += character;
        } else if (character == '\n') {
            line += "\\n";
        } else if (code < ' ' || code == 0x7F) {
            line += fmt::format("\\x{:02x}", code);
        } else {
            line += character;
        }
    }
    line += '"';
}

// Writes lines to stderr for as long as it takes them. Of a pipe or socket that can be written to
// at all, so many bytes are taken without waiting (PIPE_BUF).
class StderrSink : public spdlog::sinks::base_sink<std::mutex> {
  public:
    using Clock = std::chrono::steady_clock;

    // How long a line may wait from now on; for ever until then.
    void wait_until(Clock::time_point end) { end_ = end; }
    // Each line on its own.
    void wait_a_moment() { end_ = Clock::time_point{}; }
    void wait_for_ever() { end_ = Clock::time_point::max(); }
    [[nodiscard]] std::uint64_t lost() const { return lost_; }

  protected:
    void sink_it_(const spdlog::details::log_msg& message) override {
        if (untold_ > 0) {
            spdlog::memory_buf_t line;
            const std::string what = fmt::format("event=log-lost lines={}", untold_);
            spdlog::details::log_msg told(message.logger_name, spdlog::level::warn, what);
            formatter_->format(told, line);
            if (!write({line.data(), line.size()})) {
                lose();
                return;
            }
            untold_ = 0;
        }
        spdlog::memory_buf_t line;
        formatter_->format(message, line);
        if (!write({line.data(), line.size()})) {
            lose();
        }
    }

    void flush_() override {}

  private:
    static constexpr std::size_t kAtOnce = 4096;
    static constexpr std::chrono::milliseconds kLook{50};

    void lose() {
        ++untold_;
        ++lost_;
    }

    // What has been begun is ended, unless it takes too long: half a line is better than none.
    [[nodiscard]] bool write(std::string_view text) {
        while (!text.empty()) {
            if (!is_writable()) {
                return false;
            }
            const ssize_t written =
                ::write(STDERR_FILENO, text.data(), std::min(text.size(), kAtOnce));
            if (written < 0 && errno != EINTR && errno != EAGAIN) {
                return true;  // stderr is closed: there is nobody to lose it
            }
            text.remove_prefix(written > 0 ? static_cast<std::size_t>(written) : 0);
        }
        return true;
    }

    [[nodiscard]] bool is_writable() {
        Clock::time_point end = end_;
        if (end == Clock::time_point{}) {
            end = Clock::now() + (untold_ > 0 ? std::chrono::milliseconds(0) : kLogPatience);
        }
        while (true) {
            const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now());
            pollfd stream{STDERR_FILENO, POLLOUT, 0};
            const auto patience = std::clamp(left, std::chrono::milliseconds(0), kLook);
            if (::poll(&stream, 1, static_cast<int>(patience.count())) != 0) {
                return true;  // or an error, which write() tells
            }
            if (left <= kLook) {
                return false;
            }
            if (end == Clock::time_point::max()) {
                end = end_;  // BackgroundLog's end sets it
            }
        }
    }

    std::atomic<Clock::time_point> end_{Clock::time_point{}};
    std::uint64_t untold_ = 0;
    std::atomic<std::uint64_t> lost_{0};
};

// What there is once in a program.
struct Log {
    std::shared_ptr<StderrSink> sink = std::make_shared<StderrSink>();
    std::shared_ptr<spdlog::details::thread_pool> writer;  // of a BackgroundLog
    std::shared_ptr<spdlog::logger> logger = make<spdlog::logger>(sink);
    std::uint64_t overrun = 0;  // by earlier writers

    template <typename Logger, typename... More>
    static std::shared_ptr<spdlog::logger> make(const std::shared_ptr<StderrSink>& sink,
                                                More&&... more) {
        auto made = std::make_shared<Logger>("fairlead", sink, std::forward<More>(more)...);
        made->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %l %v", spdlog::pattern_time_type::utc);
        return made;
    }
};

Log& the_log() {
    static Log log;
    return log;
}

spdlog::logger& logger() {
    return *the_log().logger;
}

}  // namespace

std::uint64_t lost_log_lines() {
    const Log& log = the_log();
    return log.sink->lost() + log.overrun + (log.writer ? log.writer->overrun_counter() : 0);
}

BackgroundLog::BackgroundLog() {
    Log& log = the_log();
    log.sink->wait_for_ever();
    log.writer = std::make_shared<spdlog::details::thread_pool>(kQueuedLines, 1);
    log.logger = Log::make<spdlog::async_logger>(
        log.sink, log.writer, spdlog::async_overflow_policy::overrun_oldest);
}

BackgroundLog::~BackgroundLog() {
    Log& log = the_log();
    log.sink->wait_until(StderrSink::Clock::now() + kLogFarewell);
    log.overrun += log.writer->overrun_counter();
    log.logger = Log::make<spdlog::logger>(log.sink);
    log.writer.reset();  // writes what is queued, or loses it
    log.sink->wait_a_moment();
}

std::string format_log_line(std::string_view event, LogFields fields) {
    std::string line = "event=";
    line += event;
    for (const LogField& field : fields) {
        line += ' ';
        line += field.key();
        line += '=';
        const std::string_view value = field.value();
        if (!value.empty() && std::all_of(value.begin(), value.end(), is_plain)) {
            line += value;
        } else {
            append_quoted(line, value);
        }
    }
    return line;
}

void log_info(std::string_view event, LogFields fields) {
    logger().info("{}", format_log_line(event, fields));
}

void log_warning(std::string_view event, LogFields fields) {
    logger().warn("{}", format_log_line(event, fields));
}

void log_error(std::string_view event, LogFields fields) {
    logger().error("{}", format_log_line(event, fields));
}

}  // namespace fairlead
