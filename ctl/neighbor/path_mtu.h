// What routers on the way to the backends have said of their links' MTU.
//
// Theory of operation
//
// A tunnel packet that is too large for a link on its way comes back as an ICMP error to the
// tunnel's source, which is an address of this host. Raw sockets hear it; the engine never sees
// it, since it is not for a VIP. The client knows nothing of the tunnel, so the smaller MTU is
// handed to the engine, which answers the client's next packet of that size with a Packet Too Big
// of its own.
//
//   P1. A message is believed only if it quotes a packet from one of our tunnel sources to one of
//       our backends (`is_tunnel`). Both can be guessed: so the MTU is never lowered below what a
//       path must carry, 576 bytes for IPv4 (RFC 1122, 3.3.3) and 1,280 for IPv6 (RFC 8200, 5);
//       who uses it knows what the tunnel must carry.
//   P2. A smaller MTU counts for ten minutes after it was last said (RFC 8201, 4), and is only
//       raised by its end, never by a message.
//   P3. There are at most as many entries as backends, since `is_tunnel` knows no other address.
//
// Thread: the daemon's loop. The loop and the callbacks must outlive it.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "ctl/loop/timer.h"
#include "ctl/loop/watch.h"
#include "ctl/neighbor/tunnel_error.h"
#include "dp/base/descriptor.h"
#include "dp/base/result.h"

namespace fairlead::neighbor {

inline constexpr std::uint32_t kLeastPathMtuV4 = 576;
inline constexpr std::uint32_t kLeastPathMtuV6 = 1'280;

// The table alone, without sockets and clock.
class PathMtuTable {
  public:
    using Clock = std::chrono::steady_clock;
    static constexpr std::chrono::minutes kLifetime{10};

    // Takes a message that is about a tunnel of ours. Whether an MTU is now smaller than before.
    bool note(const TunnelError& error, Clock::time_point now);
    // Forgets what has not been said for long. Whether anything went.
    bool expire(Clock::time_point now);
    // When to call expire() next; nullopt: nothing is known.
    [[nodiscard]] std::optional<Clock::time_point> next_end() const;
    // nullopt: nobody has said anything.
    [[nodiscard]] std::optional<std::uint32_t> of(const IpAddress& backend) const;

  private:
    struct Entry {
        std::uint32_t mtu_bytes = 0;
        Clock::time_point end;
    };
    std::map<IpAddress, Entry> entries_;
};

class PathMtuListener {
  public:
    // Whether packets from `source` to `destination` are a tunnel of ours.
    using IsTunnel = std::function<bool(const IpAddress& source, const IpAddress& destination)>;

    // `on_change` is called when an MTU is other than before. Error: no raw socket (CAP_NET_RAW).
    [[nodiscard]] static Result<std::unique_ptr<PathMtuListener>> open(
        boost::asio::io_context& loop, IsTunnel is_tunnel, std::function<void()> on_change);

    [[nodiscard]] std::optional<std::uint32_t> of(const IpAddress& backend) const {
        return table_.of(backend);
    }
    // Messages about our tunnels, and those about tunnels that are not ours.
    [[nodiscard]] std::uint64_t believed() const { return believed_; }
    [[nodiscard]] std::uint64_t ignored() const { return ignored_; }

  private:
    using Reader = std::optional<TunnelError> (*)(std::span<const std::uint8_t>) noexcept;
    struct Listener {
        Reader read = nullptr;
        Descriptor socket;
        std::optional<loop::Watch> watch;
    };

    PathMtuListener(boost::asio::io_context& loop,
                    IsTunnel is_tunnel,
                    std::function<void()> on_change);
    [[nodiscard]] Status listen(Listener& listener, int family);
    void read_some(Listener& listener);
    void note(const TunnelError& error);
    void wait_for_end();

    boost::asio::io_context& loop_;
    IsTunnel is_tunnel_;
    std::function<void()> on_change_;
    PathMtuTable table_;
    std::uint64_t believed_ = 0;
    std::uint64_t ignored_ = 0;
    std::array<Listener, 2> listeners_;
    loop::Timer end_timer_;
};

}  // namespace fairlead::neighbor
