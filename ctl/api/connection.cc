#include "ctl/api/connection.h"

#include <optional>
#include <utility>

#include "ctl/api/error_response.h"

#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

namespace fairlead::api {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;
using model::RefusalCode;

// Once a minute at most, and for those alone whose names are kept.
constexpr std::chrono::milliseconds kNamePatience{20};

bool is_size_error(const error_code& error) {
    return error == http::error::header_limit || error == http::error::body_limit ||
           error == http::error::buffer_overflow;
}

class Connection : public std::enable_shared_from_this<Connection> {
  public:
    Connection(StreamSocket socket,
               ConnectionOptions options,
               std::shared_ptr<const Handler> handler,
               std::function<void()> on_end)
        : socket_(std::move(socket)),
          timer_(socket_.get_executor()),
          options_(std::move(options)),
          handler_(std::move(handler)),
          on_end_(std::move(on_end)) {}
    ~Connection() { end(); }
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    void wait_for_request(std::chrono::seconds limit) {
        parser_.emplace();
        parser_->header_limit(kMaxHeaderBytes);
        parser_->body_limit(kMaxBodyBytes);
        if (buffer_.size() > 0) {  // the next request came along with the last
            read_header();
            return;
        }
        start_timer(limit);
        socket_.async_wait(StreamSocket::wait_read, [self = shared_from_this()](error_code error) {
            if (!error) {
                self->read_header();
            }
        });
    }

  private:
    void end() {
        if (const auto on_end = std::exchange(on_end_, nullptr)) {
            on_end();
        }
    }

    // While an answer is being made nobody reads: a client that goes is heard of all the same, and
    // its place is free.
    void watch_for_end() {
        socket_.async_wait(StreamSocket::wait_error, [weak = weak_from_this()](error_code error) {
            const auto self = weak.lock();
            if (!error && self && self->is_answering_) {
                error_code ignored;
                self->socket_.close(ignored);
                self->end();
            }
        });
    }

    // At its end the operation under way is cancelled, and `has_timed_out_` says why.
    void start_timer(std::chrono::seconds limit) {
        has_timed_out_ = false;
        timer_.expires_after(limit);
        timer_.async_wait([weak = weak_from_this()](error_code error) {
            const auto self = weak.lock();
            if (!error && self) {
                self->has_timed_out_ = true;
                error_code ignored;
                self->socket_.cancel(ignored);
            }
        });
    }

    void read_header() {
        start_timer(kRequestTime);
        http::async_read_header(
            socket_, buffer_, *parser_, [self = shared_from_this()](error_code error, std::size_t) {
                self->on_header(error);
            });
    }

    void on_header(error_code error) {
        if (error) {
            refuse_broken(error);
            return;
        }
        const http::verb method = parser_->get().method();
        if (options_.is_read_only && method != http::verb::get && method != http::verb::head) {
            Response response = error_response(RefusalCode::kMethodNotAllowed,
                                               "this listener is read-only: send changes to the "
                                               "Unix socket, as lbctl does");
            response.allow = "GET, HEAD";
            write_last(std::move(response));
            return;
        }
        if (boost::beast::iequals(parser_->get()[http::field::expect], "100-continue")) {
            invite_body();
            return;
        }
        read_body();
    }

    // The peer waits for a word before it sends the body (RFC 9110, 10.1.1).
    void invite_body() {
        static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
        asio::async_write(socket_,
                          asio::buffer(kContinue),
                          [self = shared_from_this()](error_code error, std::size_t) {
                              if (!error) {
                                  self->read_body();
                              }
                          });
    }

    void read_body() {
        http::async_read(
            socket_, buffer_, *parser_, [self = shared_from_this()](error_code error, std::size_t) {
                if (error) {
                    self->refuse_broken(error);
                } else {
                    self->dispatch();
                }
            });
    }

    void refuse_broken(error_code error) {
        if (has_timed_out_) {
            write_last(error_response(RefusalCode::kTimeout,
                                      "the request did not arrive whole within 10 s"));
        } else if (is_size_error(error)) {
            write_last(error_response(
                RefusalCode::kTooLarge,
                "the request is too large: at most 16 KiB of headers and 1 MiB of body"));
        } else if (error == http::error::partial_message) {
            write_last(
                error_response(RefusalCode::kBadRequest, "the request ended before it was whole"));
        } else if (error != http::error::end_of_stream &&
                   error.category() == make_error_code(http::error::bad_method).category()) {
            write_last(error_response(RefusalCode::kBadRequest,
                                      "this is not an HTTP request: " + error.message()));
        }
    }

    void dispatch() {
        timer_.cancel();
        auto message = parser_->release();
        is_head_ = message.method() == http::verb::head;
        const bool keeps_alive = message.keep_alive();
        Caller caller = options_.caller;
        if (caller.may_change && options_.names != nullptr) {
            caller.name = options_.names->name_of(caller.uid, kNamePatience);
        } else if (options_.names != nullptr) {
            caller.name = options_.names->name_of(caller.uid, std::chrono::milliseconds(0));
        }
        Request request{std::string(message.method_string()),
                        std::string(message.target()),
                        std::move(message.body()),
                        std::move(caller),
                        std::string(message[http::field::accept])};
        is_answering_ = true;
        watch_for_end();
        (*handler_)(std::move(request),
                    [self = shared_from_this(), keeps_alive](Response response) {
                        self->is_answering_ = false;
                        if (self->socket_.is_open()) {
                            error_code ignored;
                            self->socket_.cancel(ignored);
                            self->write(std::move(response), keeps_alive);
                        }
                    });
    }

    void write_last(Response response) { write(std::move(response), false); }

    void write(Response response, bool keeps_alive) {
        message_.emplace();
        message_->version(11);
        message_->result(response.status);
        message_->set(http::field::content_type, response.content_type);
        message_->set(http::field::cache_control, "no-store");
        if (!response.allow.empty()) {
            message_->set(http::field::allow, response.allow);
        }
        message_->keep_alive(keeps_alive);
        message_->content_length(response.body.size());
        if (!is_head_) {
            message_->body() = std::move(response.body);
        }
        start_timer(kAnswerTime);
        const auto on_written = [self = shared_from_this(), keeps_alive](error_code error,
                                                                         std::size_t) {
            if (error) {
                return;
            }
            if (keeps_alive) {
                self->is_head_ = false;
                self->wait_for_request(kIdleTime);
            } else {
                self->linger();
            }
        };
        if (is_head_) {
            serializer_.emplace(*message_);
            http::async_write_header(socket_, *serializer_, on_written);
        } else {
            http::async_write(socket_, *message_, on_written);
        }
    }

    void linger() {
        error_code ignored;
        socket_.shutdown(StreamSocket::shutdown_send, ignored);
        start_timer(kLingerTime);
        discard();
    }

    void discard() {
        buffer_.clear();
        socket_.async_read_some(buffer_.prepare(kMaxHeaderBytes),
                                [self = shared_from_this()](error_code error, std::size_t) {
                                    if (!error && !self->has_timed_out_) {
                                        self->discard();
                                    }
                                });
    }

    StreamSocket socket_;
    asio::steady_timer timer_;
    ConnectionOptions options_;
    std::shared_ptr<const Handler> handler_;
    std::function<void()> on_end_;
    boost::beast::flat_buffer buffer_;
    std::optional<http::request_parser<http::string_body>> parser_;
    std::optional<http::response<http::string_body>> message_;
    std::optional<http::response_serializer<http::string_body>> serializer_;
    bool has_timed_out_ = false;
    bool is_head_ = false;
    bool is_answering_ = false;
};

}  // namespace

void serve_connection(StreamSocket socket,
                      ConnectionOptions options,
                      std::shared_ptr<const Handler> handler,
                      std::function<void()> on_end) {
    std::make_shared<Connection>(
        std::move(socket), std::move(options), std::move(handler), std::move(on_end))
        ->wait_for_request(kRequestTime);
}

}  // namespace fairlead::api
