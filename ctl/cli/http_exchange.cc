#include "ctl/cli/http_exchange.h"

#include <optional>

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>

namespace fairlead::cli {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using Protocol = asio::local::stream_protocol;
using ErrorCode = boost::system::error_code;

HttpProblem connect_problem(const ErrorCode& error) {
    if (error == boost::system::errc::no_such_file_or_directory ||
        error == boost::system::errc::not_a_directory) {
        return HttpProblem::kNoSocket;
    }
    if (error == boost::system::errc::connection_refused) {
        return HttpProblem::kNobodyListens;
    }
    if (error == boost::system::errc::permission_denied ||
        error == boost::system::errc::operation_not_permitted) {
        return HttpProblem::kPermissionDenied;
    }
    return error == beast::error::timeout ? HttpProblem::kTimedOut : HttpProblem::kNoConnection;
}

HttpProblem answer_problem(const ErrorCode& error) {
    if (error == beast::error::timeout) {
        return HttpProblem::kTimedOut;
    }
    const bool is_closed = error == http::error::end_of_stream ||
                           error == http::error::partial_message || error == asio::error::eof ||
                           error == boost::system::errc::connection_reset ||
                           error == boost::system::errc::broken_pipe;
    return is_closed ? HttpProblem::kCutOff : HttpProblem::kNotHttp;
}

// The steps of one exchange, each started by the one before. Synchronous calls have no deadline in
// Beast, so they are asynchronous on a context of their own, run to its end by run().
class Exchange {
  public:
    Exchange(const std::string& socket_path, const HttpRequest& request)
        : stream_(context_), endpoint_(socket_path) {
        message_.version(11);
        message_.method_string(request.method);
        message_.target(request.target);
        message_.set(http::field::host, "lbd");
        message_.set(http::field::user_agent, "lbctl");
        message_.set(http::field::accept, "application/json");
        message_.set(http::field::connection, "close");
        if (!request.body.empty()) {
            message_.set(http::field::content_type, "application/json");
            message_.body() = request.body;
        }
        message_.prepare_payload();
        parser_.body_limit(kMaxAnswerBytes);
    }

    Result<HttpAnswer, HttpFailure> run(std::chrono::milliseconds deadline) {
        stream_.expires_after(deadline);
        stream_.async_connect(endpoint_, [this](const ErrorCode& error) { connected(error); });
        context_.run();
        if (failure_) {
            return Unexpected<HttpFailure>{*failure_};
        }
        auto& message = parser_.get();
        return HttpAnswer{message.result_int(),
                          std::string(message[http::field::content_type]),
                          std::move(message.body())};
    }

  private:
    void connected(const ErrorCode& error) {
        if (error) {
            failure_ = HttpFailure{connect_problem(error), error.message()};
            return;
        }
        http::async_write(
            stream_, message_, [this](const ErrorCode& code, std::size_t) { written(code); });
    }

    // A daemon that refuses a request closes before it has read all of it: its answer is still
    // there to be read, so an error in writing is not the last word.
    void written(const ErrorCode& error) {
        if (error == beast::error::timeout) {
            failure_ = HttpFailure{HttpProblem::kTimedOut, error.message()};
            return;
        }
        http::async_read(stream_, buffer_, parser_, [this](const ErrorCode& code, std::size_t) {
            if (code) {
                failure_ = HttpFailure{answer_problem(code), code.message()};
            }
        });
    }

    asio::io_context context_;
    beast::basic_stream<Protocol> stream_;
    Protocol::endpoint endpoint_;
    http::request<http::string_body> message_;
    http::response_parser<http::string_body> parser_;
    beast::flat_buffer buffer_;
    std::optional<HttpFailure> failure_;
};

}  // namespace

Result<HttpAnswer, HttpFailure> exchange(const std::string& socket_path,
                                         const HttpRequest& request,
                                         std::chrono::milliseconds deadline) {
    try {
        return Exchange(socket_path, request).run(deadline);
    } catch (const boost::system::system_error& error) {  // a path longer than sun_path
        return Unexpected<HttpFailure>{
            HttpFailure{HttpProblem::kNoConnection, error.code().message()}};
    }
}

}  // namespace fairlead::cli
