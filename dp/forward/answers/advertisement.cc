#include "dp/forward/answers/advertisement.h"

#include "dp/net/checksum.h"
#include "dp/net/parse.h"

namespace fairlead {

namespace {

// RFC 4861, 4.4.
constexpr std::uint32_t kSolicited = 0x4000'0000U;
constexpr std::uint32_t kOverride = 0x2000'0000U;
constexpr std::uint8_t kTargetLinkLayer = 2;
constexpr MacAddress kBroadcast{{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}};

void write_arp_announcement(std::uint8_t* start, Be32 vip, const MacAddress& own) noexcept {
    auto& arp = header_at<ArpPacket>(start);
    arp.hardware_type.set(kArpEthernet);
    arp.protocol_type.set(kEtherTypeIpv4);
    arp.hardware_bytes = static_cast<std::uint8_t>(sizeof(MacAddress));
    arp.protocol_bytes = static_cast<std::uint8_t>(sizeof(Be32));
    arp.operation.set(kArpRequest);
    arp.sender_mac = own;
    arp.sender_ip.set(vip);
    arp.target_mac = {};
    arp.target_ip.set(vip);
}

void write_unsolicited(std::uint8_t* start, const IpAddress& vip, const MacAddress& own) noexcept {
    auto& ip = header_at<Ipv6Header>(start);
    ip = {};
    ip.version_class_label.set(Be32::from_host(6U << 28U));
    ip.payload_length.set(Be16::from_host(std::uint16_t{kAdvertisementBytes}));
    ip.next_header = kProtocolIcmpv6;
    ip.hop_limit = kNeighborHopLimit;
    ip.source = vip.bytes();
    ip.destination = kAllNodes;
    write_advertisement(start + sizeof(Ipv6Header),
                        {.target = vip, .destination = IpAddress::from_v6(kAllNodes), .own = own});
}

}  // namespace

void write_advertisement(std::uint8_t* start, const Advertisement& advertisement) noexcept {
    auto& message = header_at<NeighborMessage>(start);
    message.icmp = {};
    message.icmp.type = kIcmpv6NeighborAdvertisement;
    message.icmp.rest.set(
        Be32::from_host(kOverride | (advertisement.is_solicited ? kSolicited : 0)));
    message.target = advertisement.target.bytes();
    auto& option = header_at<LinkLayerOption>(start + sizeof(NeighborMessage));
    option = {.type = kTargetLinkLayer, .length = 1, .mac = advertisement.own};
    Ipv6Header pseudo;
    pseudo.source = advertisement.target.bytes();
    pseudo.destination = advertisement.destination.bytes();
    const std::uint64_t sum =
        sum_bytes({start, kAdvertisementBytes}) +
        sum_pseudo_header(pseudo, std::uint32_t{kAdvertisementBytes}, kProtocolIcmpv6);
    message.icmp.checksum.set(Be16::from_raw(static_cast<std::uint16_t>(~fold_checksum(sum))));
}

void write_announcement(Packet& packet, const IpAddress& vip, const MacAddress& own) noexcept {
    auto& ethernet = header_at<EthernetHeader>(packet.data);
    std::uint8_t* const start = packet.data + sizeof(EthernetHeader);
    ethernet.source = own;
    if (vip.is_v4()) {
        ethernet.destination = kBroadcast;
        ethernet.type.set(kEtherTypeArp);
        write_arp_announcement(start, vip.v4(), own);
        packet.length = sizeof(EthernetHeader) + sizeof(ArpPacket);
    } else {
        ethernet.destination = kAllNodesMac;
        ethernet.type.set(kEtherTypeIpv6);
        write_unsolicited(start, vip, own);
        packet.length = kMaxAnnouncementBytes;
    }
}

}  // namespace fairlead
