// The one walk along the extension headers of an IPv6 packet (RFC 8200, section 4).
//
// It knows which headers can be walked, how long each is, and where the chain ends. What is
// refused, and why, is for its two users to say: extension.h for packets that are forwarded,
// ip_view.h for those that are answered, and for the parts of packets that ICMP errors quote. The
// BPF programs hand on what has such headers, and walk none.
//
//     for (ExtensionWalk walk(packet); walk.is_at_header(); walk.step()) {
//         if (walk.is_past_limit() || !walk.is_whole()) {
//             return refused;
//         }
//     }
//
// Thread: any; no state but the walk's own. Reads nothing outside the span.
#pragma once

#include <cstdint>
#include <span>

#include "dp/net/headers.h"
#include "dp/net/parse.h"

namespace fairlead {

// More than any honest packet has: RFC 8200, 4.1 lists six kinds, of which one may come twice.
inline constexpr std::uint32_t kMaxExtensionHeaders = 8;

// Whether a header of this kind may stand before a transport header.
[[nodiscard]] inline bool is_extension_header(std::uint8_t protocol) noexcept {
    switch (protocol) {
        case kProtocolHopByHop:
        case kProtocolRouting:
        case kProtocolFragment:
        case kProtocolAuthentication:
        case kProtocolDestinationOptions:
        case kProtocolMobility:
        case kProtocolHip:
        case kProtocolShim6:
            return true;
        default:
            return false;
    }
}

class ExtensionWalk {
  public:
    // Requires a whole IPv6 header at the start of `packet`, which may end anywhere behind it.
    explicit ExtensionWalk(std::span<const std::uint8_t> packet) noexcept
        : packet_(packet), protocol_(header_at<Ipv6Header>(packet.data()).next_header) {}

    // What stands at end(), where the headers behind which the walk has gone end. Offsets count
    // from the first byte of the IPv6 header.
    [[nodiscard]] std::uint8_t protocol() const noexcept { return protocol_; }
    [[nodiscard]] std::uint32_t end() const noexcept { return end_; }
    // The last fragment header that the walk has gone behind; 0: there was none.
    [[nodiscard]] std::uint32_t fragment_at() const noexcept { return fragment_at_; }
    // Whether the packet is one of several pieces, and whether it is not the first one: then
    // nothing behind its fragment header is a header, and the walk ends there.
    [[nodiscard]] bool is_piece() const noexcept { return is_piece_; }
    [[nodiscard]] bool is_later_piece() const noexcept { return is_later_piece_; }

    // Whether there is one more header, whole or not; protocol() is its kind.
    [[nodiscard]] bool is_at_header() const noexcept {
        return !is_later_piece_ && is_extension_header(protocol_);
    }
    [[nodiscard]] bool is_past_limit() const noexcept { return headers_ == kMaxExtensionHeaders; }

    // Whether the header's length can be read. All following require it, and is_at_header().
    [[nodiscard]] bool has_length() const noexcept {
        return packet_.size() - end_ >= sizeof(ExtensionHeader);  // none is shorter
    }
    // In bytes, which the packet need not have.
    [[nodiscard]] std::uint32_t length() const noexcept {
        switch (protocol_) {
            case kProtocolFragment:
                return sizeof(FragmentHeader);
            case kProtocolAuthentication:  // RFC 4302, 2.2: in 4-byte words, minus 2
                return (at<ExtensionHeader>().length + 2U) * 4U;
            default:  // RFC 8200, 4.3, 4.4 and 4.6
                return (at<ExtensionHeader>().length + 1U) * 8U;
        }
    }
    // Its first 8 bytes, by their kind.
    template <typename Header>
    [[nodiscard]] const Header& at() const noexcept {
        static_assert(sizeof(Header) == sizeof(ExtensionHeader));
        return header_at<Header>(packet_.data() + end_);
    }

    // Whether the packet has all of the header.
    [[nodiscard]] bool is_whole() const noexcept {
        return has_length() && length() <= packet_.size() - end_;
    }
    // Goes behind the header. Requires is_at_header() and is_whole().
    void step() noexcept {
        const std::uint32_t bytes = length();
        if (protocol_ == kProtocolFragment) {
            const auto& fragment = at<FragmentHeader>();
            fragment_at_ = end_;
            is_later_piece_ = fragment.offset_bytes() != 0;
            is_piece_ = is_piece_ || is_later_piece_ || fragment.has_more();
        }
        protocol_ = at<ExtensionHeader>().next_header;
        end_ += bytes;
        ++headers_;
    }

  private:
    std::span<const std::uint8_t> packet_;
    std::uint32_t end_ = sizeof(Ipv6Header);
    std::uint32_t fragment_at_ = 0;
    std::uint32_t headers_ = 0;
    std::uint8_t protocol_;
    bool is_piece_ = false;
    bool is_later_piece_ = false;
};

}  // namespace fairlead
