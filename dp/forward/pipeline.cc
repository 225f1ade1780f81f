#include "dp/forward/pipeline.h"

#include <algorithm>
#include <array>

#include "dp/base/burst.h"
#include "dp/base/uninitialized.h"
#include "dp/forward/path/classify.h"
#include "dp/forward/path/count.h"
#include "dp/forward/path/limit.h"
#include "dp/forward/path/rewrite.h"
#include "dp/forward/path/select.h"
#include "dp/forward/path/tracked.h"
#include "dp/forward/path/vlan.h"
#include "dp/forward/rare/exceptions.h"

namespace fairlead {

namespace {

[[gnu::noinline]] void forward_held_tags(ForwardContext& context,
                                         std::span<Packet> packets,
                                         std::span<Verdict> verdicts) noexcept;

void forward_stage_burst(ForwardContext& context,
                         const Ingress& ingress,
                         std::span<Packet> packets,
                         std::span<Verdict> verdicts) noexcept {
    Uninitialized<PacketFacts, kBurstPackets> facts_of_burst;
    Uninitialized<Selection, kBurstPackets> selections_of_burst;
    const std::span<PacketFacts> facts = facts_of_burst.first(packets.size());
    const std::span<Selection> selections = selections_of_burst.first(packets.size());
    classify_burst(context.snapshot, *context.flows, ingress, packets, facts, verdicts);
    if (context.snapshot.has_limits) [[unlikely]] {
        limit_burst(context, packets, facts, verdicts);
    }
    select_burst(context, packets, facts, selections, verdicts);
    const std::size_t leaving = rewrite_burst(context, packets, facts, selections, verdicts);
    if (leaving == packets.size()) [[likely]] {
        count_forwarded(context.counters, facts, verdicts);
        return;
    }
    handle_exceptions(context, packets, facts, verdicts);
    const std::size_t held = count_burst(context.counters, facts, verdicts);
    if (held != 0 && ingress.takes_priority_tags) [[unlikely]] {
        forward_held_tags(context, packets, verdicts);
    }
}

// The same for ports with VLANs.
[[gnu::noinline]] void forward_vlan_burst(ForwardContext& context,
                                          std::span<Packet> packets,
                                          std::span<Verdict> verdicts) noexcept {
    const Ingress ingress{OwnMac(context.snapshot, context.receiving_port), false};
    VlanBurst burst(context, packets, verdicts);
    forward_stage_burst(context, ingress, burst.inner_packets(), burst.inner_verdicts());
    burst.finish();
}

// Of a burst that has been through the stages, what they have held for its priority tag.
void forward_held_tags(ForwardContext& context,
                       std::span<Packet> packets,
                       std::span<Verdict> verdicts) noexcept {
    std::array<Packet, kBurstPackets> tagged;
    std::array<Verdict, kBurstPackets> verdicts_of_tagged;
    std::array<std::uint8_t, kBurstPackets> places{};
    std::size_t count = 0;
    for (std::size_t i = 0; i < packets.size(); ++i) {
        if (verdicts[i].action == Action::kHold && has_priority_tag(packets[i])) {
            tagged[count] = packets[i];
            places[count] = static_cast<std::uint8_t>(i);
            ++count;
        }
    }
    forward_vlan_burst(
        context, std::span(tagged).first(count), std::span(verdicts_of_tagged).first(count));
    for (std::size_t i = 0; i < count; ++i) {
        packets[places[i]] = tagged[i];
        verdicts[places[i]] = verdicts_of_tagged[i];
    }
}

}  // namespace

void forward_burst(ForwardContext& context,
                   std::span<Packet> packets,
                   std::span<Verdict> verdicts) noexcept {
    if (context.snapshot.is_empty()) {  // there is no VIP
        for (Verdict& verdict : verdicts) {
            verdict = {};
            verdict.action = Action::kKernel;
        }
        context.counters.worker->packets.add(verdicts.size());
        context.counters.worker->kernel_packets.add(verdicts.size());
        return;
    }
    const Ingress ingress{OwnMac(context.snapshot, context.receiving_port), true};
    for (std::size_t first = 0; first < packets.size(); first += kBurstPackets) {
        const std::size_t count = std::min(kBurstPackets, packets.size() - first);
        if (context.snapshot.has_vlans) [[unlikely]] {
            forward_vlan_burst(
                context, packets.subspan(first, count), verdicts.subspan(first, count));
            continue;
        }
        forward_stage_burst(
            context, ingress, packets.subspan(first, count), verdicts.subspan(first, count));
    }
}

std::size_t sweep_flows(ForwardContext& context, std::size_t buckets) noexcept {
    if (context.snapshot.is_empty()) {
        return 0;  // no daemon has said yet which backends there are
    }
    return context.flows->sweep(
        buckets, context.now, [&context](BackendIndex index, std::uint32_t incarnation) {
            const shm::BackendRecord* const record = context.tables->backend(index);
            return record != nullptr && keeps_flows(word_of(*record), incarnation);
        });
}

}  // namespace fairlead
