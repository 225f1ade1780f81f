#include "dp/forward/path/limit.h"

#include <algorithm>
#include <array>

#include "dp/base/read_once.h"
#include "dp/flow/flow_hash.h"
#include "dp/net/parse.h"

namespace fairlead {

namespace {

// Of the packet's IP header, which classify has found sound.
[[nodiscard]] IpAddress source_of(const Packet& packet, bool is_v6) noexcept {
    const std::uint8_t* const ip = packet.data + sizeof(EthernetHeader);
    return is_v6 ? IpAddress::from_v6(header_at<Ipv6Header>(ip).source)
                 : IpAddress::from_v4(header_at<Ipv4Header>(ip).source.get());
}

// What a source is counted under: by the flow hash's formula, so that nobody can aim at a set, with
// the seed turned and the service in the destination's place. Of IPv6 the /64 counts, which is what
// one host has at its disposal (RFC 4291, 2.5.1). Never 0, which is no key.
[[nodiscard]] std::uint64_t source_key(std::uint64_t seed,
                                       const IpAddress& client,
                                       ServiceId service) noexcept {
    const Be32 number = Be32::from_host(to_number(service));
    if (client.is_v4()) {
        return std::max<std::uint64_t>(flow_hash_v4(~seed, client.v4(), number, {}), 1);
    }
    std::array<std::uint8_t, 16> network = client.bytes();
    std::fill(network.begin() + 8, network.end(), std::uint8_t{0});
    const IpAddress other = IpAddress::from_v4(number);
    return std::max<std::uint64_t>(flow_hash_v6(~seed, network, other.bytes(), {}), 1);
}

[[nodiscard]] DropReason judge(ForwardContext& context,
                               const IpAddress& client,
                               PacketFacts& facts,
                               ServiceId id) noexcept {
    const shm::ServiceRecord& service = *facts.service;
    const std::uint32_t list = read_once(service.prefix_list);
    if (list != 0) {
        const shm::PrefixTable& prefixes = context.snapshot.prefixes;
        if (!prefixes.has(list)) {
            return DropReason::kBadTables;
        }
        if (prefixes.judge(list, client).is_denied) {
            return DropReason::kDeniedSource;
        }
    }
    const std::uint32_t packets = read_once(service.packets_per_second);
    if (packets != 0 && !context.limits.take_packet(id, packets, context.now_ms)) {
        return DropReason::kOverPacketLimit;
    }
    if (read_once(service.new_flows_per_second) != 0) {
        facts.source_key = source_key(context.snapshot.flow_hash_seed, client, id);
    }
    return DropReason::kNone;
}

}  // namespace

bool limit_one(ForwardContext& context,
               const IpAddress& client,
               PacketFacts& facts,
               Verdict& verdict) noexcept {
    if (!shm::is_limited(*facts.service)) [[likely]] {
        return true;
    }
    verdict.reason = judge(context, client, facts, verdict.service);
    if (verdict.reason == DropReason::kNone) {
        return true;
    }
    facts.service = nullptr;
    return false;
}

void limit_burst(ForwardContext& context,
                 std::span<const Packet> packets,
                 std::span<PacketFacts> facts,
                 std::span<Verdict> verdicts) noexcept {
    for (std::size_t i = 0; i < packets.size(); ++i) {
        if (facts[i].service != nullptr && shm::is_limited(*facts[i].service)) {
            (void)limit_one(context, source_of(packets[i], facts[i].is_v6), facts[i], verdicts[i]);
        }
    }
}

bool may_begin_flow(ForwardContext& context, const PacketFacts& facts) noexcept {
    const std::uint32_t rate = read_once(facts.service->new_flows_per_second);
    bool forgot = false;
    const bool may =
        rate == 0 || context.limits.take_new_flow(facts.source_key, rate, context.now_ms, forgot);
    if (forgot) {
        context.counters.worker->source_evictions.add(1);
    }
    return may;
}

}  // namespace fairlead
