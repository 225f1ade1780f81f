#include "ctl/neighbor/path_mtu.h"

#include <algorithm>
#include <utility>

#include <linux/icmp.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "dp/base/error_text.h"
#include "dp/base/log.h"
#include "dp/net/headers.h"

namespace fairlead::neighbor {
namespace {

// What one turn of the loop reads at most: a flood of messages must not hold the loop.
constexpr int kMessagesATurn = 64;
constexpr std::size_t kMessageBytes = 2'048;  // far more than a quote's headers need

// Only what is looked for is handed out by the kernel.
[[nodiscard]] int filter(int socket, int family) {
    if (family == AF_INET) {
        const icmp_filter wanted{~(1U << kIcmpUnreachable)};
        return ::setsockopt(socket, SOL_RAW, ICMP_FILTER, &wanted, sizeof wanted);
    }
    icmp6_filter wanted{};
    ICMP6_FILTER_SETBLOCKALL(&wanted);
    ICMP6_FILTER_SETPASS(ICMP6_PACKET_TOO_BIG, &wanted);
    return ::setsockopt(socket, IPPROTO_ICMPV6, ICMP6_FILTER, &wanted, sizeof wanted);
}

}  // namespace

bool PathMtuTable::note(const TunnelError& error, Clock::time_point now) {
    const std::uint32_t least = error.destination.is_v4() ? kLeastPathMtuV4 : kLeastPathMtuV6;
    const std::uint32_t mtu = std::max(error.mtu_bytes, least);
    const auto [found, is_new] = entries_.try_emplace(error.destination, Entry{mtu, {}});
    const bool is_smaller = is_new || mtu < found->second.mtu_bytes;
    if (mtu <= found->second.mtu_bytes) {
        found->second = {mtu, now + kLifetime};
    }
    return is_smaller;
}

bool PathMtuTable::expire(Clock::time_point now) {
    return std::erase_if(entries_, [now](const auto& entry) { return entry.second.end <= now; }) >
           0;
}

std::optional<PathMtuTable::Clock::time_point> PathMtuTable::next_end() const {
    const auto first =
        std::min_element(entries_.begin(), entries_.end(), [](const auto& a, const auto& b) {
            return a.second.end < b.second.end;
        });
    return first == entries_.end() ? std::nullopt : std::optional(first->second.end);
}

std::optional<std::uint32_t> PathMtuTable::of(const IpAddress& backend) const {
    const auto found = entries_.find(backend);
    return found == entries_.end() ? std::nullopt : std::optional(found->second.mtu_bytes);
}

PathMtuListener::PathMtuListener(boost::asio::io_context& loop,
                                 IsTunnel is_tunnel,
                                 std::function<void()> on_change)
    : loop_(loop),
      is_tunnel_(std::move(is_tunnel)),
      on_change_(std::move(on_change)),
      end_timer_(loop) {
    listeners_[0].read = &read_tunnel_error_v4;
    listeners_[1].read = &read_tunnel_error_v6;
}

Result<std::unique_ptr<PathMtuListener>> PathMtuListener::open(boost::asio::io_context& loop,
                                                               IsTunnel is_tunnel,
                                                               std::function<void()> on_change) {
    std::unique_ptr<PathMtuListener> opened(
        new PathMtuListener(loop, std::move(is_tunnel), std::move(on_change)));
    for (const auto& [index, family] : {std::pair(0U, AF_INET), std::pair(1U, AF_INET6)}) {
        if (Status good = opened->listen(opened->listeners_[index], family); !good) {
            return Unexpected{good.error()};
        }
    }
    return opened;
}

Status PathMtuListener::listen(Listener& listener, int family) {
    constexpr int kIcmp = IPPROTO_ICMP;
    constexpr int kIcmpv6 = IPPROTO_ICMPV6;
    const int protocol = family == AF_INET ? kIcmp : kIcmpv6;
    listener.socket =
        Descriptor(::socket(family, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol));
    if (!listener.socket.is_open()) {
        return fail("cannot hear ICMP errors about the tunnels: " + error_text(errno) +
                    "; lbd needs CAP_NET_RAW");
    }
    if (filter(listener.socket.get(), family) != 0) {
        return fail("cannot hear ICMP errors about the tunnels: " + error_text(errno));
    }
    listener.watch.emplace(
        loop_, listener.socket.get(), [this, &listener] { read_some(listener); });
    return {};
}

void PathMtuListener::read_some(Listener& listener) {
    std::array<std::uint8_t, kMessageBytes> message{};
    for (int i = 0; i < kMessagesATurn; ++i) {
        const ssize_t size = ::recv(listener.socket.get(), message.data(), message.size(), 0);
        if (size < 0) {
            return;  // nothing is left, or the socket has an error to tell that is not about us
        }
        const auto error = listener.read(std::span(message).first(static_cast<std::size_t>(size)));
        if (error) {
            note(*error);
        }
    }
}

void PathMtuListener::note(const TunnelError& error) {
    if (!is_tunnel_(error.source, error.destination)) {
        ++ignored_;
        return;
    }
    ++believed_;
    if (table_.note(error, PathMtuTable::Clock::now())) {
        log_info("path-mtu",
                 {{"backend", error.destination.text().data()},
                  {"mtu", table_.of(error.destination).value_or(0)},
                  {"why", "a router on the way says so"}});
        wait_for_end();
        on_change_();
    }
}

void PathMtuListener::wait_for_end() {
    const auto end = table_.next_end();
    if (!end) {
        return;
    }
    end_timer_.at(*end, [this] {
        if (table_.expire(PathMtuTable::Clock::now())) {
            on_change_();
        }
        wait_for_end();
    });
}

}  // namespace fairlead::neighbor
