// Where requests come in: the Unix socket, and a TCP port that only answers questions.
//
// Connections are bounded; on the Unix socket by who asks, so that nobody can lock those out who
// may do more: no reader all readers, no reader an operator, and no operator root.
#pragma once

#include <memory>
#include <string>

#include "ctl/api/message.h"
#include "ctl/loop/io_context_fwd.h"
#include "dp/base/result.h"

namespace fairlead::api {

inline constexpr std::size_t kMaxUnixConnections = 64;
inline constexpr std::size_t kMaxOfNotRoot = 56;    // of those
inline constexpr std::size_t kMaxOfReaders = 40;    // of those
inline constexpr std::size_t kMaxOfOneReader = 24;  // of those
inline constexpr std::size_t kMaxTcpConnections = 16;

class Listener {
  public:
    // Listens on a Unix socket that anybody may connect to. A socket file that nobody answers on is
    // replaced; errors: one that somebody answers on, or what the kernel says.
    [[nodiscard]] static Result<Listener> listen_unix(boost::asio::io_context& loop,
                                                      const std::string& path,
                                                      std::shared_ptr<const Handler> handler);
    // Listens on "127.0.0.1:9480" or "[::1]:9480".
    [[nodiscard]] static Result<Listener> listen_tcp(boost::asio::io_context& loop,
                                                     const std::string& endpoint,
                                                     std::shared_ptr<const Handler> handler);
    ~Listener();
    Listener(Listener&&) noexcept;
    Listener& operator=(Listener&&) noexcept;
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;

    // Takes no new connections; a socket file is removed.
    void close() noexcept;

  private:
    class State;
    explicit Listener(std::shared_ptr<State> state);
    std::shared_ptr<State> state_;
};

}  // namespace fairlead::api
