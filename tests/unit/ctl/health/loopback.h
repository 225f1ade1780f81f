// Servers on loopback for tests of checks: real sockets, served by the test's own loop.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "dp/net/ip_address.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>

namespace fairlead::health {

using boost::asio::ip::tcp;

// Runs `loop` until `is_done` or until a deadline that no working test comes near to.
[[nodiscard]] inline bool run_until(boost::asio::io_context& loop,
                                    const std::function<bool()>& is_done) {
    constexpr std::chrono::seconds kDeadline{10};
    const auto deadline = std::chrono::steady_clock::now() + kDeadline;
    loop.restart();
    while (!is_done() && std::chrono::steady_clock::now() < deadline) {
        loop.run_one_until(deadline);
        if (loop.stopped()) {
            loop.restart();
            break;  // nothing is pending any more
        }
    }
    return is_done();
}

[[nodiscard]] inline IpAddress loopback(bool is_v4 = true) {
    return *IpAddress::parse(is_v4 ? "127.0.0.1" : "::1");
}

// Accepts, reads the head of a request, sends what it is told, and closes or holds the connection.
class Server {
  public:
    enum class Then {
        kClose,
        kHold
    };

    explicit Server(boost::asio::io_context& loop,
                    std::string answer = "",
                    Then then = Then::kHold,
                    bool is_v4 = true)
        : answer_(std::move(answer)),
          then_(then),
          acceptor_(loop, tcp::endpoint(is_v4 ? tcp::v4() : tcp::v6(), 0)) {
        accept();
    }

    [[nodiscard]] std::uint16_t port() const { return acceptor_.local_endpoint().port(); }
    [[nodiscard]] std::size_t accepted() const { return accepted_; }
    // The head of the last request.
    [[nodiscard]] const std::string& request() const { return request_; }
    void answer_with(std::string answer) { answer_ = std::move(answer); }
    // From now on the port refuses.
    void stop() {
        acceptor_.close();
        sockets_.clear();
    }

  private:
    void accept() {
        acceptor_.async_accept([this](const boost::system::error_code& error, tcp::socket socket) {
            if (error) {
                return;
            }
            ++accepted_;
            sockets_.push_back(std::make_unique<tcp::socket>(std::move(socket)));
            serve(*sockets_.back());
            accept();
        });
    }

    void serve(tcp::socket& socket) {
        boost::asio::async_read_until(
            socket,
            boost::asio::dynamic_buffer(request_),
            "\r\n\r\n",
            [this, &socket](const boost::system::error_code& error, std::size_t) {
                if (error) {
                    return;
                }
                boost::asio::async_write(
                    socket,
                    boost::asio::buffer(answer_),
                    [this, &socket](const boost::system::error_code&, std::size_t) {
                        if (then_ == Then::kClose) {
                            socket.close();
                        }
                    });
            });
    }

    std::string answer_;
    Then then_;
    tcp::acceptor acceptor_;
    std::size_t accepted_ = 0;
    std::string request_;
    std::vector<std::unique_ptr<tcp::socket>> sockets_;
};

// A port whose queue is full: the kernel answers no SYN any more, as if the host were gone.
class SilentPort {
  public:
    explicit SilentPort(boost::asio::io_context& loop) : acceptor_(loop) {
        acceptor_.open(tcp::v4());
        acceptor_.bind(tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0));
        acceptor_.listen(0);
        // A queue of length 0 holds one connection; one more is on the safe side.
        for (int i = 0; i < 2; ++i) {
            sockets_.push_back(std::make_unique<tcp::socket>(loop));
            sockets_.back()->async_connect(acceptor_.local_endpoint(),
                                           [](const boost::system::error_code&) {});
        }
    }
    [[nodiscard]] std::uint16_t port() const { return acceptor_.local_endpoint().port(); }

  private:
    tcp::acceptor acceptor_;
    std::vector<std::unique_ptr<tcp::socket>> sockets_;
};

// A port of loopback on which nobody listens.
[[nodiscard]] inline std::uint16_t closed_port(boost::asio::io_context& loop) {
    return tcp::acceptor(loop, tcp::endpoint(tcp::v4(), 0)).local_endpoint().port();
}

}  // namespace fairlead::health
