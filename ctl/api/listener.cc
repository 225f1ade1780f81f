#include "ctl/api/listener.h"

#include <cerrno>
#include <chrono>
#include <map>
#include <utility>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "conf/schema/scalars.h"
#include "ctl/api/connection.h"
#include "ctl/api/error_response.h"
#include "ctl/api/name_book.h"
#include "ctl/api/peer.h"
#include "dp/base/error_text.h"
#include "dp/base/log.h"

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>

namespace fairlead::api {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using Acceptor = asio::basic_socket_acceptor<asio::generic::stream_protocol>;

constexpr int kBacklog = 4096;  // who asks is known only when accepted
constexpr int kAtOnce = 64;
constexpr std::chrono::milliseconds kPauseAfterError{100};

// Whether somebody accepts connections on that socket file.
bool is_answered(const asio::local::stream_protocol::endpoint& endpoint) {
    asio::io_context loop;
    asio::local::stream_protocol::socket probe(loop);
    error_code error;
    probe.connect(endpoint, error);
    return !error;
}

Status make_way(const std::string& path, const asio::local::stream_protocol::endpoint& endpoint) {
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) {
        return {};
    }
    if (!S_ISSOCK(status.st_mode)) {
        return fail(path +
                    " is there and is not a socket: move it away, or choose another [api] "
                    "socket");
    }
    if (is_answered(endpoint)) {
        return fail("another lbd answers on " + path +
                    ": stop it first, or choose another --run-dir or [api] socket");
    }
    ::unlink(path.c_str());
    return {};
}

}  // namespace

class Listener::State : public std::enable_shared_from_this<State> {
  public:
    State(asio::io_context& loop, std::shared_ptr<const Handler> handler)
        : acceptor_(loop), pause_(loop), handler_(std::move(handler)) {}

    template <typename Endpoint>
    error_code open(const Endpoint& endpoint, bool reuses_address) {
        error_code error;
        acceptor_.open(endpoint.protocol(), error);
        if (!error && reuses_address) {
            acceptor_.set_option(asio::socket_base::reuse_address(true), error);
        }
        if (!error) {
            acceptor_.bind(endpoint, error);
        }
        return error;
    }

    error_code listen() {
        error_code error;
        acceptor_.listen(kBacklog, error);
        if (!error) {
            acceptor_.non_blocking(true, error);
        }
        if (!error) {
            accept();
        }
        return error;
    }

    void close() noexcept {
        error_code ignored;
        acceptor_.close(ignored);
        try {
            pause_.cancel();
        } catch (const boost::system::system_error&) {
            // It goes off then, and its handler finds the acceptor closed.
        }
        if (!path_.empty()) {
            ::unlink(path_.c_str());
            path_.clear();
        }
    }

    void set_unix(std::string path) {
        path_ = std::move(path);
        names_ = std::make_shared<NameBook>("fairlead");
        is_unix_ = true;
    }

  private:
    void accept() {
        acceptor_.async_accept([self = shared_from_this()](error_code error, StreamSocket socket) {
            if (error == asio::error::operation_aborted || !self->acceptor_.is_open()) {
                return;
            }
            if (error) {  // out of descriptors, for example: they come back
                self->accept_later();
                return;
            }
            self->serve(std::move(socket));
            self->accept_more();
            self->accept();
        });
    }

    // Of many that want in, each turn of the loop takes a few: who is let in is known only then.
    void accept_more() {
        for (int i = 0; i < kAtOnce; ++i) {
            error_code error;
            StreamSocket socket = acceptor_.accept(error);
            if (error) {
                return;  // nobody more, or what accept() will be told again
            }
            serve(std::move(socket));
        }
    }

    void accept_later() {
        pause_.expires_after(kPauseAfterError);
        pause_.async_wait([self = shared_from_this()](error_code error) {
            if (!error) {
                self->accept();
            }
        });
    }

    void serve(StreamSocket socket) {
        ConnectionOptions options;
        options.is_read_only = !is_unix_;
        if (is_unix_) {
            options.caller = caller_of(socket.native_handle(), names_->group());
        }
        const Caller caller = options.caller;
        if (!has_room(caller)) {
            refuse(socket);
            return;
        }
        if (is_unix_) {
            names_->ask(caller.uid);
            options.names = names_;
        }
        count(caller, 1);
        serve_connection(
            std::move(socket), std::move(options), handler_, [self = shared_from_this(), caller] {
                self->count(caller, -1);
            });
    }

    // Each limit counts those as well who have less: who may do less has less room.
    [[nodiscard]] bool has_room(const Caller& caller) const {
        if (!is_unix_) {
            return all_ < kMaxTcpConnections;
        }
        const bool is_reader = !caller.may_change;
        const bool is_root = !is_reader && caller.uid == 0;
        const auto own = of_reader_.find(caller.uid);
        return all_ < (is_root ? kMaxUnixConnections : kMaxOfNotRoot) &&
               (!is_reader || (readers_ < kMaxOfReaders &&
                               (own == of_reader_.end() || own->second < kMaxOfOneReader)));
    }

    void count(const Caller& caller, int change) {
        all_ += static_cast<std::size_t>(change);
        if (is_unix_ && !caller.may_change) {
            readers_ += static_cast<std::size_t>(change);
            std::size_t& own = of_reader_[caller.uid];
            own += static_cast<std::size_t>(change);
            if (own == 0) {
                of_reader_.erase(caller.uid);
            }
        }
    }

    // A new socket's buffer takes these bytes without waiting.
    static void refuse(StreamSocket& socket) {
        const std::string body =
            error_response(model::RefusalCode::kUnavailable, "too many connections: try again")
                .body;
        const std::string text =
            "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n"
            "Connection: close\r\nContent-Length: " +
            std::to_string(body.size()) + "\r\n\r\n" + body;
        error_code ignored;
        socket.non_blocking(true, ignored);
        socket.send(asio::buffer(text), 0, ignored);
    }

    Acceptor acceptor_;
    asio::steady_timer pause_;
    std::shared_ptr<const Handler> handler_;
    std::string path_;
    std::shared_ptr<NameBook> names_;
    bool is_unix_ = false;
    std::size_t all_ = 0;
    std::size_t readers_ = 0;
    std::map<unsigned, std::size_t> of_reader_;  // by user
};

Listener::Listener(std::shared_ptr<State> state) : state_(std::move(state)) {}
Listener::Listener(Listener&&) noexcept = default;
Listener& Listener::operator=(Listener&&) noexcept = default;
Listener::~Listener() {
    if (state_) {
        state_->close();
    }
}

void Listener::close() noexcept {
    state_->close();
}

Result<Listener> Listener::listen_unix(asio::io_context& loop,
                                       const std::string& path,
                                       std::shared_ptr<const Handler> handler) {
    if (path.size() >= sizeof(sockaddr_un::sun_path)) {
        return fail("the socket's path is longer than " +
                    std::to_string(sizeof(sockaddr_un::sun_path) - 1) + " bytes: " + path);
    }
    const asio::local::stream_protocol::endpoint endpoint(path);
    if (Status free = make_way(path, endpoint); !free) {
        return Unexpected{free.error()};
    }
    auto state = std::make_shared<State>(loop, std::move(handler));
    if (const error_code error = state->open(endpoint, false)) {
        return fail("cannot listen on " + path + ": " + error.message());
    }
    state->set_unix(path);
    // Anybody may connect; who may do what is decided by who it is.
    if (::chmod(path.c_str(), 0666) != 0) {
        return fail("cannot open " + path + " to everybody: " + error_text(errno));
    }
    if (const error_code error = state->listen()) {
        return fail("cannot listen on " + path + ": " + error.message());
    }
    return Listener(std::move(state));
}

Result<Listener> Listener::listen_tcp(asio::io_context& loop,
                                      const std::string& endpoint,
                                      std::shared_ptr<const Handler> handler) {
    const auto parsed = conf::parse_endpoint(endpoint);
    if (!parsed) {
        return fail("[api] listen: \"" + endpoint + "\" is not ADDRESS:PORT");
    }
    error_code error;
    const auto address = asio::ip::make_address(parsed->address.text().data(), error);
    auto state = std::make_shared<State>(loop, std::move(handler));
    if (!error) {
        error = state->open(asio::ip::tcp::endpoint(address, parsed->port), true);
    }
    if (!error) {
        error = state->listen();
    }
    if (error) {
        return fail("[api] listen: cannot listen on " + endpoint + ": " + error.message() +
                    "; choose another port, or stop what uses it");
    }
    return Listener(std::move(state));
}

}  // namespace fairlead::api
