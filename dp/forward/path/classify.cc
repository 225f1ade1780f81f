#include "dp/forward/path/classify.h"

#include "dp/base/read_once.h"
#include "dp/flow/flow_hash.h"
#include "dp/forward/answers/neighbor.h"
#include "dp/forward/path/transport.h"
#include "dp/forward/path/vlan.h"
#include "dp/forward/rare/options.h"
#include "dp/net/checksum.h"
#include "dp/net/extension_headers.h"
#include "dp/net/parse.h"

namespace fairlead {

namespace {

// What the IP header tells, for either family.
struct IpFacts {
    IpAddress destination;
    const std::uint8_t* transport = nullptr;
    std::uint32_t transport_bytes = 0;
    std::uint32_t ip_bytes = 0;
    std::uint8_t protocol = 0;
};

[[nodiscard]] DropReason check_v4(const Ipv4Header& ip,
                                  std::uint32_t available,
                                  IpFacts& facts) noexcept {
    if (ip.version() != 4) {
        return DropReason::kBadIpVersion;
    }
    const std::uint32_t header_bytes = ip.header_bytes();
    if (header_bytes < sizeof(Ipv4Header)) {
        return DropReason::kBadHeaderLength;
    }
    const std::uint32_t total = ip.total_length.get().host();
    if (total < header_bytes || total > available) {
        return DropReason::kBadTotalLength;
    }
    if (!has_right_checksum(ip, header_bytes)) {
        return DropReason::kBadIpChecksum;
    }
    const Be32 source = ip.source.get();
    if (is_martian_v4(source) || source == ip.destination.get()) {
        return DropReason::kMartianSource;
    }
    if (header_bytes != sizeof(Ipv4Header)) [[unlikely]] {
        const DropReason reason = check_options_v4(&ip.version_and_length, header_bytes);
        if (reason != DropReason::kNone) {
            return reason;
        }
    }
    if ((ip.flags_and_offset.get().raw() & kIpv4FragmentMask.raw()) != 0) {
        return DropReason::kFragment;
    }
    facts.transport = &ip.version_and_length + header_bytes;
    facts.transport_bytes = total - header_bytes;
    facts.ip_bytes = total;
    facts.protocol = ip.protocol;
    return DropReason::kNone;
}

[[nodiscard]] DropReason check_v6(const Ipv6Header& ip,
                                  std::uint32_t available,
                                  IpFacts& facts) noexcept {
    if (ip.version() != 6) {
        return DropReason::kBadIpVersion;
    }
    const std::uint32_t payload = ip.payload_length.get().host();
    if (payload + sizeof(Ipv6Header) > available) {
        return DropReason::kBadTotalLength;
    }
    if (is_martian_v6(ip.source) || halves_of(ip.source) == halves_of(ip.destination)) {
        return DropReason::kMartianSource;
    }
    if (is_extension_header(ip.next_header)) {
        return ip.next_header == kProtocolFragment ? DropReason::kFragment
                                                   : DropReason::kExtensionHeader;
    }
    facts.transport = ip.destination.data() + ip.destination.size();
    facts.transport_bytes = payload;
    facts.ip_bytes = payload + static_cast<std::uint32_t>(sizeof(Ipv6Header));
    facts.protocol = ip.next_header;
    return DropReason::kNone;
}

// One packet at a time, with the tables of the burst.
class Classifier {
  public:
    Classifier(const shm::Snapshot& snapshot,
               const FlowTable& flows,
               const Ingress& ingress) noexcept
        : snapshot_(snapshot), flows_(flows), ingress_(ingress), seed_(snapshot.flow_hash_seed) {}

    void classify(const Packet& packet, PacketFacts& facts, Verdict& verdict) const noexcept {
        facts.frame_bytes = static_cast<std::uint16_t>(packet.length);
        if (packet.length < sizeof(EthernetHeader) + sizeof(Ipv4Header)) [[unlikely]] {
            classify_short(packet, verdict);
            return;
        }
        if (!ingress_.own_mac.is_destination_of(packet.data)) [[unlikely]] {
            leave_alone(packet, verdict);
            return;
        }
        const Be16 type = header_at<EthernetHeader>(packet.data).type.get();
        const std::uint8_t* const ip = packet.data + sizeof(EthernetHeader);
        const auto available = packet.length - static_cast<std::uint32_t>(sizeof(EthernetHeader));
        if (type == kEtherTypeIpv4) {
            verdict.reason = classify_v4(ip, available, facts);
        } else if (type == kEtherTypeIpv6) {
            facts.is_v6 = true;
            verdict.reason = classify_v6(ip, available, facts);
        } else {
            leave_alone(packet, verdict);
            return;
        }
        if (facts.service == nullptr && verdict.reason == DropReason::kNone) {
            leave_alone(packet, verdict);
        }
    }

  private:
    // For a frame that is too short for an IP header.
    [[gnu::noinline]] void classify_short(const Packet& packet, Verdict& verdict) const noexcept {
        if (packet.length < sizeof(EthernetHeader)) {
            verdict.reason = DropReason::kTruncated;
            return;
        }
        const Be16 type = header_at<EthernetHeader>(packet.data).type.get();
        const bool is_ip = type == kEtherTypeIpv4 || type == kEtherTypeIpv6;
        if (is_ip && ingress_.own_mac.is_destination_of(packet.data)) {
            verdict.reason = DropReason::kTruncated;
        } else {
            leave_alone(packet, verdict);
        }
    }
    // Not for a VIP by its destination; but it may ask for the VIP's MAC address, and behind a
    // priority tag it may be anything.
    [[gnu::noinline]] void leave_alone(const Packet& packet, Verdict& verdict) const noexcept {
        if (ingress_.takes_priority_tags && has_priority_tag(packet)) [[unlikely]] {
            verdict.action = Action::kHold;
        } else if (asks_for_vip(snapshot_, packet)) [[unlikely]] {
            verdict.reason = DropReason::kBadNeighborQuestion;
        } else {
            verdict.action = Action::kKernel;
        }
    }
    // kNone without a service: the packet is not for a VIP. Requires a header without options.
    [[nodiscard]] DropReason classify_v4(const std::uint8_t* bytes,
                                         std::uint32_t available,
                                         PacketFacts& facts) const noexcept {
        const auto& ip = header_at<Ipv4Header>(bytes);
        IpFacts ip_facts;
        ip_facts.destination = IpAddress::from_v4(ip.destination.get());
        TransportKey key{};
        DropReason reason = check_v4(ip, available, ip_facts);
        if (reason == DropReason::kNone) {
            reason = check_transport(ip_facts.protocol,
                                     ip_facts.transport,
                                     ip_facts.transport_bytes,
                                     key,
                                     facts.event,
                                     facts.content_bytes);
        }
        if (reason != DropReason::kNone) {
            return if_for_vip(ip_facts.destination, reason);
        }
        facts.hash = flow_hash_v4(seed_, ip.source.get(), ip.destination.get(), key);
        return find_service(ip_facts, key, facts);
    }

    [[nodiscard]] DropReason classify_v6(const std::uint8_t* bytes,
                                         std::uint32_t available,
                                         PacketFacts& facts) const noexcept {
        if (available < sizeof(Ipv6Header)) {
            return DropReason::kTruncated;
        }
        const auto& ip = header_at<Ipv6Header>(bytes);
        if (is_v4_mapped(ip.destination)) {
            return DropReason::kNone;  // no VIP has such an address, whatever it looks like in here
        }
        IpFacts ip_facts;
        ip_facts.destination = IpAddress::from_v6(ip.destination);
        TransportKey key{};
        DropReason reason = check_v6(ip, available, ip_facts);
        if (reason == DropReason::kNone) {
            reason = check_transport(ip_facts.protocol,
                                     ip_facts.transport,
                                     ip_facts.transport_bytes,
                                     key,
                                     facts.event,
                                     facts.content_bytes);
        }
        if (reason != DropReason::kNone) {
            return if_for_vip(ip_facts.destination, reason);
        }
        facts.hash = flow_hash_v6(seed_, ip.source, ip.destination, key);
        return find_service(ip_facts, key, facts);
    }

    [[nodiscard]] DropReason find_service(const IpFacts& ip,
                                          TransportKey key,
                                          PacketFacts& facts) const noexcept {
        flows_.prefetch(facts.hash);
        facts.service = snapshot_.find(ip.destination, key.destination_port, key.protocol);
        if (facts.service == nullptr) {
            const shm::ServiceRecord* const mark = mark_of(ip.destination);
            if (mark == nullptr) {
                return DropReason::kNone;
            }
            facts.service = snapshot_.find_wide(*mark, key.destination_port, key.protocol);
            if (facts.service == nullptr) {
                return DropReason::kNoService;
            }
        }
        facts.ip_bytes = static_cast<std::uint16_t>(ip.ip_bytes);
        return DropReason::kNone;
    }

    [[nodiscard]] DropReason if_for_vip(const IpAddress& destination,
                                        DropReason reason) const noexcept {
        return mark_of(destination) != nullptr ? reason : DropReason::kNone;
    }

    [[nodiscard]] const shm::ServiceRecord* mark_of(const IpAddress& destination) const noexcept {
        return snapshot_.find(destination, Be16{}, shm::kVipMark);
    }

    const shm::Snapshot& snapshot_;
    const FlowTable& flows_;
    Ingress ingress_;
    std::uint64_t seed_;
};

}  // namespace

void classify_burst(const shm::Snapshot& snapshot,
                    const FlowTable& flows,
                    const Ingress& ingress,
                    std::span<const Packet> packets,
                    std::span<PacketFacts> facts,
                    std::span<Verdict> verdicts) noexcept {
    const Classifier classifier(snapshot, flows, ingress);
    for (std::size_t i = 0; i < packets.size(); ++i) {
        facts[i] = {};
        verdicts[i] = {};
        classifier.classify(packets[i], facts[i], verdicts[i]);
        if (facts[i].service != nullptr) {
            verdicts[i].service = read_once(facts[i].service->id);
        }
    }
}

}  // namespace fairlead
