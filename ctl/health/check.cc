#include "ctl/health/check.h"

#include <array>
#include <string_view>

#include <fmt/format.h>

#include "ctl/health/http_answer.h"
#include "ctl/loop/timer.h"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>

namespace fairlead::health {

namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using std::chrono::steady_clock;

// That a server sends behind what tells its health: more is cut off.
constexpr std::size_t kMaxUnwantedBytes = 256 * 1024;
// For what has arrived meanwhile to be read.
constexpr std::chrono::milliseconds kLeastWait{1};

[[nodiscard]] asio::ip::tcp::endpoint endpoint_of(const IpAddress& address, std::uint16_t port) {
    if (address.is_v4()) {
        return {asio::ip::address_v4(address.v4().host()), port};
    }
    return {asio::ip::address_v6(address.bytes()), port};
}

// This host's own shortage, which says nothing about the backend.
[[nodiscard]] bool is_shortage(const error_code& error) {
    return error == asio::error::no_descriptors || error == asio::error::no_memory ||
           error == asio::error::no_buffer_space ||
           error == boost::system::errc::too_many_files_open_in_system ||
           error == boost::system::errc::address_not_available;
}

[[nodiscard]] Outcome outcome_of(const error_code& error) {
    if (is_shortage(error)) {
        return Outcome::kDiscarded;
    }
    if (error == asio::error::connection_refused) {
        return Outcome::kRefused;
    }
    if (error == asio::error::timed_out) {
        return Outcome::kTimeout;
    }
    if (error == asio::error::connection_reset || error == asio::error::eof ||
        error == asio::error::broken_pipe) {
        return Outcome::kReset;
    }
    return Outcome::kError;
}

[[nodiscard]] std::string text_of(const error_code& error, Outcome outcome) {
    switch (outcome) {
        case Outcome::kRefused:
            return "connection refused";
        case Outcome::kReset:
            return "connection closed before the answer was whole";
        case Outcome::kDiscarded:
            return fmt::format("not checked: {} on this host", error.message());
        case Outcome::kOk:
        case Outcome::kTimeout:
        case Outcome::kStatus:
        case Outcome::kError:
            break;
    }
    return error.message();
}

[[nodiscard]] std::string expected_text(const std::vector<conf::StatusRange>& ranges) {
    std::string text;
    for (const conf::StatusRange& range : ranges) {
        text += text.empty() ? "" : ", ";
        text += range.first == range.last ? fmt::format("{}", range.first)
                                          : fmt::format("{}-{}", range.first, range.last);
    }
    return text;
}

class TcpCheck : public Check, public std::enable_shared_from_this<TcpCheck> {
  public:
    TcpCheck(asio::io_context& loop, const conf::HealthConfig& health, Shared shared, Done done)
        : socket_(loop),
          timer_(loop),
          health_(health),
          shared_(std::move(shared)),
          done_(std::move(done)) {}
    ~TcpCheck() override {
        if (is_closing_) {
            shared_.closings->end();
        }
    }
    TcpCheck(const TcpCheck&) = delete;
    TcpCheck& operator=(const TcpCheck&) = delete;
    TcpCheck(TcpCheck&&) = delete;
    TcpCheck& operator=(TcpCheck&&) = delete;

    void start(const asio::ip::tcp::endpoint& endpoint) {
        started_ = steady_clock::now();
        wait(started_, health_.timeout);
        error_code error;
        socket_.open(endpoint.protocol(), error);
        if (error) {
            asio::post(socket_.get_executor(),
                       [self = shared_from_this(), error] { self->fail(error); });
            return;
        }
        socket_.set_option(asio::socket_base::linger(true, 0), error);  // by RST, unless it is done
        socket_.async_connect(endpoint,
                              [self = shared_from_this()](const error_code& connect_error) {
                                  if (connect_error) {
                                      self->fail(connect_error);
                                  } else if (self->done_) {
                                      self->connected();
                                  }
                              });
    }

    void cancel() noexcept override {
        done_ = nullptr;
        close();
    }

  protected:
    virtual void connected() { finish(Outcome::kOk, "connected", Ending::kInOrder); }
    // Whether the server waits for this side's FIN.
    [[nodiscard]] virtual bool closes_first() const noexcept { return true; }

    void fail(const error_code& error) {
        const Outcome outcome = outcome_of(error);
        finish(outcome, text_of(error, outcome));
    }

    enum class Ending : bool {
        kAtOnce,  // by RST where a connection is there
        kInOrder
    };

    // The first to finish decides; what is aborted by that ends here unheard.
    void finish(Outcome outcome, std::string text, Ending ending = Ending::kAtOnce) {
        if (!done_) {
            return;
        }
        const Done done = std::exchange(done_, nullptr);
        const auto now = steady_clock::now();
        const CheckResult result{outcome, std::move(text), now - started_};
        is_closing_ = ending == Ending::kInOrder && shared_.closings->begin(closes_first(), now);
        if (is_closing_) {
            error_code ignored;
            if (closes_first()) {
                socket_.shutdown(asio::socket_base::shutdown_send, ignored);
            }
            wait_for_fin();
        } else {
            close();
        }
        done(result);
    }

    [[nodiscard]] asio::ip::tcp::socket& socket() noexcept { return socket_; }
    [[nodiscard]] const conf::HealthConfig& health() const noexcept { return health_; }
    [[nodiscard]] bool is_over() const noexcept { return !done_; }

  private:
    // What else the server sends is not wanted, but must be read: a close before that is a reset.
    void wait_for_fin() {
        socket_.async_read_some(
            asio::buffer(unwanted_),
            [self = shared_from_this()](const error_code& error, std::size_t bytes) {
                self->unwanted_bytes_ += bytes;
                if (error == asio::error::eof) {
                    error_code ignored;
                    self->socket_.set_option(asio::socket_base::linger(false, 0), ignored);
                }
                if (error || self->unwanted_bytes_ > kMaxUnwantedBytes) {
                    self->close();
                } else {
                    self->wait_for_fin();
                }
            });
    }

    void wait(steady_clock::time_point now, steady_clock::duration time) {
        waits_ = time;
        lost_before_ = shared_.lateness->lost(now);
        timer_.at(now + time, [self = shared_from_this()] { self->time_is_up(); });
    }

    void time_is_up() {
        if (is_over()) {
            close();
            return;
        }
        const auto now = steady_clock::now();
        const steady_clock::duration lost = shared_.lateness->lost(now) - lost_before_;
        if (lost > steady_clock::duration{} && !is_second_wait_) {
            is_second_wait_ = true;
            wait(now, std::clamp<steady_clock::duration>(lost, kLeastWait, health_.timeout));
        } else if (lost > waits_ / 2) {
            const auto late = std::chrono::duration_cast<std::chrono::milliseconds>(lost);
            finish(Outcome::kDiscarded,
                   fmt::format("not judged: the checker was {} ms late", late.count()));
        } else {
            finish(Outcome::kTimeout,
                   fmt::format("no answer within {} ms", health_.timeout.count()));
        }
    }

    void close() noexcept {
        error_code ignored;
        socket_.close(ignored);
        timer_.cancel();
    }

    asio::ip::tcp::socket socket_;
    loop::Timer timer_;
    conf::HealthConfig health_;
    Shared shared_;
    Done done_;
    steady_clock::time_point started_;
    steady_clock::duration waits_{};        // this time
    steady_clock::duration lost_before_{};  // when it began to
    bool is_second_wait_ = false;
    bool is_closing_ = false;  // in order: the closings count it
    std::array<char, 512> unwanted_{};
    std::size_t unwanted_bytes_ = 0;
};

// Asks and reads the header of the answer; a body is neither needed nor waited for.
class HttpCheck : public TcpCheck {
  public:
    HttpCheck(asio::io_context& loop,
              const conf::HealthConfig& health,
              const std::string& host,
              Shared shared,
              Done done)
        : TcpCheck(loop, health, std::move(shared), std::move(done)),
          request_(fmt::format("GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: fairlead-health\r\n"
                               "Accept: */*\r\nConnection: close\r\n\r\n",
                               health.path,
                               host)) {}

  protected:
    void connected() override {
        asio::async_write(
            socket(), asio::buffer(request_), [self = me()](const error_code& error, std::size_t) {
                if (error) {
                    self->fail(error);
                } else if (!self->is_over()) {
                    self->read();
                }
            });
    }

    [[nodiscard]] bool closes_first() const noexcept override { return false; }

  private:
    [[nodiscard]] std::shared_ptr<HttpCheck> me() {
        return std::static_pointer_cast<HttpCheck>(shared_from_this());
    }

    void read() {
        socket().async_read_some(asio::buffer(buffer_),
                                 [self = me()](const error_code& error, std::size_t bytes) {
                                     if (error) {
                                         self->fail(error);
                                     } else if (!self->is_over()) {
                                         self->take(std::string_view(self->buffer_.data(), bytes));
                                     }
                                 });
    }

    void take(std::string_view bytes) {
        switch (answer_.take(bytes)) {
            case HttpAnswer::State::kMore:
                read();
                return;
            case HttpAnswer::State::kDone:
                judge(answer_.status());
                return;
            case HttpAnswer::State::kBad:
                finish(Outcome::kError,
                       fmt::format("the answer is no HTTP: {}", answer_.problem()));
                return;
        }
    }

    void judge(unsigned status) {
        const std::vector<conf::StatusRange>& expected = health().expect_status;
        const bool is_expected =
            std::any_of(expected.begin(), expected.end(), [status](const auto& range) {
                return status >= range.first && status <= range.last;
            });
        if (is_expected) {
            finish(Outcome::kOk, fmt::format("HTTP {}", status), Ending::kInOrder);
        } else {
            finish(Outcome::kStatus,
                   fmt::format("HTTP {}, expected {}", status, expected_text(expected)),
                   Ending::kInOrder);
        }
    }

    std::string request_;
    HttpAnswer answer_;
    std::array<char, 2048> buffer_{};
};

[[nodiscard]] std::string default_host(const IpAddress& address, std::uint16_t port) {
    constexpr std::uint16_t kHttpPort = 80;
    const std::string text =
        address.is_v4() ? address.text().data() : fmt::format("[{}]", address.text().data());
    return port == kHttpPort ? text : fmt::format("{}:{}", text, port);
}

}  // namespace

std::shared_ptr<Check> start_check(asio::io_context& loop,
                                   const IpAddress& address,
                                   std::uint16_t port,
                                   const conf::HealthConfig& health,
                                   Shared shared,
                                   Check::Done done) {
    std::shared_ptr<TcpCheck> check;
    if (health.type == conf::CheckType::kHttp) {
        const std::string host = health.host.empty() ? default_host(address, port) : health.host;
        check = std::make_shared<HttpCheck>(loop, health, host, std::move(shared), std::move(done));
    } else {
        check = std::make_shared<TcpCheck>(loop, health, std::move(shared), std::move(done));
    }
    check->start(endpoint_of(address, port));
    return check;
}

}  // namespace fairlead::health
