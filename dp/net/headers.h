// Headers as they stand on the wire: Ethernet II, IPv4 (RFC 791), IPv6 (RFC 8200), TCP (RFC 9293),
// UDP (RFC 768), ICMP (RFC 792), ICMPv6 (RFC 4443).
//
// Every struct has alignment 1, since an IP header behind a 14-byte Ethernet header is at home on
// no boundary: fields wider than a byte are Wire<Be16> or Wire<Be32>, byte arrays with get() and
// set(). So the layout is packed without an attribute, and a pointer into a packet may be any
// address.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "dp/net/big_endian.h"
#include "dp/net/ip_address.h"
#include "dp/net/mac_address.h"

namespace fairlead {

// A word in network byte order at any address.
template <typename Word>
class Wire {
  public:
    [[nodiscard]] Word get() const noexcept {
        Word word;
        std::memcpy(&word, bytes_.data(), sizeof word);
        return word;
    }
    void set(Word word) noexcept { std::memcpy(bytes_.data(), &word, sizeof word); }

  private:
    std::array<std::uint8_t, sizeof(Word)> bytes_{};
};

inline constexpr Be16 kEtherTypeIpv4 = Be16::from_host(0x0800);
inline constexpr Be16 kEtherTypeArp = Be16::from_host(0x0806);
inline constexpr Be16 kEtherTypeIpv6 = Be16::from_host(0x86DD);
inline constexpr Be16 kEtherTypeVlan = Be16::from_host(0x8100);

// IANA, "Assigned Internet Protocol Numbers". The extension headers are those that may stand before
// a transport header ("IPv6 Extension Header Types"); ESP is not among them, as nothing behind it
// can be read.
inline constexpr std::uint8_t kProtocolHopByHop = 0;
inline constexpr std::uint8_t kProtocolIcmp = 1;
inline constexpr std::uint8_t kProtocolIpip = 4;
inline constexpr std::uint8_t kProtocolTcp = 6;
inline constexpr std::uint8_t kProtocolUdp = 17;
inline constexpr std::uint8_t kProtocolIpv6 = 41;
inline constexpr std::uint8_t kProtocolRouting = 43;
inline constexpr std::uint8_t kProtocolFragment = 44;
inline constexpr std::uint8_t kProtocolGre = 47;
inline constexpr std::uint8_t kProtocolAuthentication = 51;
inline constexpr std::uint8_t kProtocolIcmpv6 = 58;
inline constexpr std::uint8_t kProtocolDestinationOptions = 60;
inline constexpr std::uint8_t kProtocolMobility = 135;
inline constexpr std::uint8_t kProtocolHip = 139;
inline constexpr std::uint8_t kProtocolShim6 = 140;

struct EthernetHeader {
    MacAddress destination;
    MacAddress source;
    Wire<Be16> type;
};
static_assert(sizeof(EthernetHeader) == 14 && alignof(EthernetHeader) == 1);

// IEEE 802.1Q, 9.3: between the MAC addresses and the Ethernet type of what follows.
struct VlanTag {
    Wire<Be16> type;     // kEtherTypeVlan
    Wire<Be16> control;  // priority (3 bits), drop eligible (1), VLAN (12)
};
static_assert(sizeof(VlanTag) == 4 && alignof(VlanTag) == 1);

struct Ipv4Header {
    std::uint8_t version_and_length = 0;  // version << 4 | header length in 4-byte words
    std::uint8_t tos = 0;
    Wire<Be16> total_length;  // header and payload
    Wire<Be16> identification;
    Wire<Be16> flags_and_offset;
    std::uint8_t ttl = 0;
    std::uint8_t protocol = 0;
    Wire<Be16> checksum;
    Wire<Be32> source;
    Wire<Be32> destination;

    [[nodiscard]] unsigned version() const noexcept { return version_and_length >> 4U; }
    [[nodiscard]] std::uint32_t header_bytes() const noexcept {
        return (version_and_length & 0x0FU) * 4U;
    }
    // Where this piece of a datagram belongs (RFC 791, 3.1); the field counts 8-byte units.
    [[nodiscard]] std::uint32_t offset_bytes() const noexcept {
        return (flags_and_offset.get().host() & 0x1FFFU) * 8U;
    }
    [[nodiscard]] bool has_more() const noexcept {
        return (flags_and_offset.get().host() & 0x2000U) != 0;
    }
};
static_assert(sizeof(Ipv4Header) == 20 && alignof(Ipv4Header) == 1);
static_assert(offsetof(Ipv4Header, ttl) == 8 && offsetof(Ipv4Header, source) == 12);

inline constexpr Be16 kIpv4DontFragment = Be16::from_host(0x4000);
// "More fragments" and the 13 bits of the offset: any of them set says that this is a fragment.
inline constexpr Be16 kIpv4FragmentMask = Be16::from_host(0x3FFF);

// Option types of IPv4 (RFC 791, 3.1). The highest bit says: copied into every fragment.
inline constexpr std::uint8_t kIpOptionEnd = 0;
inline constexpr std::uint8_t kIpOptionNop = 1;
inline constexpr std::uint8_t kIpOptionLooseRoute = 131;
inline constexpr std::uint8_t kIpOptionStrictRoute = 137;
inline constexpr std::uint8_t kIpOptionCopied = 0x80;

struct Ipv6Header {
    Wire<Be32> version_class_label;  // version 4 bits, traffic class 8, flow label 20
    Wire<Be16> payload_length;       // what follows this header
    std::uint8_t next_header = 0;
    std::uint8_t hop_limit = 0;
    std::array<std::uint8_t, 16> source{};
    std::array<std::uint8_t, 16> destination{};

    [[nodiscard]] unsigned version() const noexcept {
        return version_class_label.get().host() >> 28U;
    }
};
static_assert(sizeof(Ipv6Header) == 40 && alignof(Ipv6Header) == 1);
static_assert(offsetof(Ipv6Header, source) == 8 && offsetof(Ipv6Header, destination) == 24);

// How every walkable extension header of IPv6 begins (RFC 8200, section 4; RFC 4302, 2).
struct ExtensionHeader {
    std::uint8_t next_header = 0;
    std::uint8_t length = 0;  // in units that depend on the kind
    std::array<std::uint8_t, 6> rest{};
};
static_assert(sizeof(ExtensionHeader) == 8 && alignof(ExtensionHeader) == 1);

struct RoutingHeader {  // RFC 8200, 4.4
    std::uint8_t next_header = 0;
    std::uint8_t length = 0;
    std::uint8_t type = 0;
    std::uint8_t segments_left = 0;
    std::array<std::uint8_t, 4> rest{};
};
static_assert(sizeof(RoutingHeader) == 8 && alignof(RoutingHeader) == 1);

struct FragmentHeader {  // RFC 8200, 4.5
    std::uint8_t next_header = 0;
    std::uint8_t reserved = 0;
    Wire<Be16> offset_and_more;  // offset in 8-byte units 13 bits, reserved 2, more fragments 1
    Wire<Be32> identification;

    [[nodiscard]] std::uint32_t offset_bytes() const noexcept {
        return offset_and_more.get().host() & 0xFFF8U;
    }
    [[nodiscard]] bool has_more() const noexcept {
        return (offset_and_more.get().host() & 1U) != 0;
    }
};
static_assert(sizeof(FragmentHeader) == 8 && alignof(FragmentHeader) == 1);

struct TcpHeader {
    Wire<Be16> source_port;
    Wire<Be16> destination_port;
    Wire<Be32> sequence;
    Wire<Be32> acknowledgement;
    std::uint8_t data_offset = 0;  // header length in 4-byte words << 4
    std::uint8_t flags = 0;
    Wire<Be16> window;
    Wire<Be16> checksum;
    Wire<Be16> urgent_pointer;

    [[nodiscard]] std::uint32_t header_bytes() const noexcept { return (data_offset >> 4U) * 4U; }
};
static_assert(sizeof(TcpHeader) == 20 && alignof(TcpHeader) == 1);
static_assert(offsetof(TcpHeader, data_offset) == 12);

inline constexpr std::uint8_t kTcpFin = 0x01;
inline constexpr std::uint8_t kTcpSyn = 0x02;
inline constexpr std::uint8_t kTcpRst = 0x04;
inline constexpr std::uint8_t kTcpAck = 0x10;

struct UdpHeader {
    Wire<Be16> source_port;
    Wire<Be16> destination_port;
    Wire<Be16> length;  // header and payload
    Wire<Be16> checksum;
};
static_assert(sizeof(UdpHeader) == 8 && alignof(UdpHeader) == 1);

// RFC 2784, 2.1: without the checksum, which is there only if its bit is set.
struct GreHeader {
    Wire<Be16> flags_and_version;
    Wire<Be16> protocol;  // an Ethernet type
};
static_assert(sizeof(GreHeader) == 4 && alignof(GreHeader) == 1);

// Generic UDP Encapsulation, version 0 (draft-ietf-intarea-gue-09, 3.1), without extension fields.
struct GueHeader {
    std::uint8_t version_and_length = 0;  // version 2 bits, control 1, length of extensions 5
    std::uint8_t protocol = 0;            // an IP protocol number
    Wire<Be16> flags;
};
static_assert(sizeof(GueHeader) == 4 && alignof(GueHeader) == 1);

inline constexpr Be16 kGuePort = Be16::from_host(6080);
// ICMP and ICMPv6 alike. What `rest` holds depends on the type: identifier and sequence number, a
// next hop's MTU, or nothing.
struct IcmpHeader {
    std::uint8_t type = 0;
    std::uint8_t code = 0;
    Wire<Be16> checksum;
    Wire<Be32> rest;
};
static_assert(sizeof(IcmpHeader) == 8 && alignof(IcmpHeader) == 1);

inline constexpr std::uint8_t kIcmpEchoReply = 0;
inline constexpr std::uint8_t kIcmpUnreachable = 3;
inline constexpr std::uint8_t kIcmpEchoRequest = 8;
inline constexpr std::uint8_t kIcmpTimeExceeded = 11;
inline constexpr std::uint8_t kIcmpParameterProblem = 12;
inline constexpr std::uint8_t kIcmpCodePort = 3;                 // of Destination Unreachable
inline constexpr std::uint8_t kIcmpCodeFragmentationNeeded = 4;  // of Destination Unreachable

inline constexpr std::uint8_t kIcmpv6Unreachable = 1;
inline constexpr std::uint8_t kIcmpv6PacketTooBig = 2;
inline constexpr std::uint8_t kIcmpv6TimeExceeded = 3;
inline constexpr std::uint8_t kIcmpv6FirstInformational =
    128;  // below it are errors: RFC 4443, 2.1
inline constexpr std::uint8_t kIcmpv6EchoRequest = 128;
inline constexpr std::uint8_t kIcmpv6EchoReply = 129;
inline constexpr std::uint8_t kIcmpv6NeighborSolicitation = 135;
inline constexpr std::uint8_t kIcmpv6NeighborAdvertisement = 136;
inline constexpr std::uint8_t kIcmpv6CodePort = 4;  // of Destination Unreachable

// Neighbor solicitation and advertisement (RFC 4861, 4.3 and 4.4), without options.
struct NeighborMessage {
    IcmpHeader icmp;
    std::array<std::uint8_t, 16> target{};
};
static_assert(sizeof(NeighborMessage) == 24 && alignof(NeighborMessage) == 1);

// RFC 4861, 4.6.1, for Ethernet.
struct LinkLayerOption {
    std::uint8_t type = 0;
    std::uint8_t length = 0;  // in 8 bytes
    MacAddress mac;
};
static_assert(sizeof(LinkLayerOption) == 8 && alignof(LinkLayerOption) == 1);

// ARP for IPv4 over Ethernet (RFC 826).
struct ArpPacket {
    Wire<Be16> hardware_type;
    Wire<Be16> protocol_type;
    std::uint8_t hardware_bytes = 0;
    std::uint8_t protocol_bytes = 0;
    Wire<Be16> operation;
    MacAddress sender_mac;
    Wire<Be32> sender_ip;
    MacAddress target_mac;
    Wire<Be32> target_ip;
};
static_assert(sizeof(ArpPacket) == 28 && alignof(ArpPacket) == 1);

inline constexpr Be16 kArpEthernet = Be16::from_host(1);
inline constexpr Be16 kArpRequest = Be16::from_host(1);
inline constexpr Be16 kArpReply = Be16::from_host(2);

}  // namespace fairlead
