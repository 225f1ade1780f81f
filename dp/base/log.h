// The log of every program: one line an event on stderr, fields as key=value, ready for the
// journal.
//
//     log_info("vip-added", {{"vip", "203.0.113.10"}, {"interface", "lo"}});
//     2026-03-01T12:00:00.123Z info event=vip-added vip=203.0.113.10 interface=lo
//
// The log never stops the program: a line that stderr does not take within kLogPatience (a pipe
// that nobody reads) is lost and counted, and those after it are lost at once until stderr takes
// lines again, which a line `event=log-lost lines=N` then says. A file on a disk that hangs does
// stop the caller, unless a BackgroundLog is there.
//
// Any thread that may wait so long may call: a line is whole, and never mixed with another. The
// packet path never logs. Nothing is kept: the fields are read during the call.
#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace fairlead {

// One key=value of a line. A value that holds a space, a quote, '=' or a control character, or
// nothing at all, is written in double quotes with backslash escapes, so that a line stays one line
// and can be taken apart again.
class LogField {
  public:
    LogField(std::string_view key, std::string_view value) : key_(key), value_(value) {}
    LogField(std::string_view key, bool value) : key_(key), value_(value ? "true" : "false") {}
    template <std::integral Number>
    requires(!std::same_as<Number, bool>) LogField(std::string_view key, Number value)
        : key_(key), value_(std::to_string(value)) {}
    LogField(std::string_view key, const char* value) : LogField(key, std::string_view(value)) {}

    [[nodiscard]] std::string_view key() const { return key_; }
    [[nodiscard]] std::string_view value() const { return value_; }

  private:
    std::string_view key_;
    std::string value_;
};

using LogFields = std::initializer_list<LogField>;

void log_info(std::string_view event, LogFields fields = {});
// Something is not as it should be, and the program goes on.
void log_warning(std::string_view event, LogFields fields = {});
// Something asked for could not be done.
void log_error(std::string_view event, LogFields fields = {});

inline constexpr std::chrono::milliseconds kLogPatience{20};

// Lines lost since the program started, whatever the reason.
[[nodiscard]] std::uint64_t lost_log_lines();

// While it lives, lines are queued and a thread of its own writes them, for as long as stderr
// takes; of a full queue (kQueuedLines) the oldest is lost. At its end what is queued is written,
// if stderr takes it within kLogFarewell. Made and destroyed by main(), while no other thread logs;
// one at a time. It must be made after the program has given up its privileges, as the thread has
// those of the moment.
class BackgroundLog {
  public:
    static constexpr std::size_t kQueuedLines = 8192;
    static constexpr std::chrono::milliseconds kLogFarewell{500};

    BackgroundLog();
    ~BackgroundLog();
    BackgroundLog(const BackgroundLog&) = delete;
    BackgroundLog& operator=(const BackgroundLog&) = delete;
};

// The text of a line without time and level. For the functions above and their tests.
[[nodiscard]] std::string format_log_line(std::string_view event, LogFields fields);

}  // namespace fairlead
