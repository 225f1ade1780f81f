#include "dp/forward/pipeline.h"

#include <array>

#include "dp/forward/classify.h"
#include "dp/forward/rewrite.h"
#include "dp/forward/select.h"

namespace fairlead {

namespace {

// The one exit: what became of each packet goes into the counters.
void count_burst(WorkerCounters& counters,
                 std::span<const PacketFacts> facts,
                 std::span<const Verdict> verdicts) noexcept {
    shm::WorkerBlock& worker = *counters.worker;
    worker.packets.add(verdicts.size());
    for (std::size_t i = 0; i < verdicts.size(); ++i) {
        const Verdict& verdict = verdicts[i];
        if (verdict.action == Action::kKernel) {
            worker.kernel_packets.add(1);
            continue;
        }
        const bool is_dropped = verdict.action == Action::kDrop;
        if (is_dropped) {
            worker.dropped[static_cast<std::size_t>(verdict.reason)].add(1);
        }
        if (to_number(verdict.service) < counters.services.size()) {
            shm::ServiceCounters& service = counters.services[to_number(verdict.service)];
            service.received_packets.add(1);
            service.received_bytes.add(facts[i].frame_bytes);
            if (is_dropped) {
                service.dropped[static_cast<std::size_t>(verdict.reason)].add(1);
            }
        }
        if (!is_dropped && to_number(verdict.backend) < counters.backends.size()) {
            shm::BackendCounters& backend = counters.backends[to_number(verdict.backend)];
            backend.forwarded_packets.add(1);
            backend.forwarded_bytes.add(facts[i].frame_bytes);
        }
    }
}

}  // namespace

void forward_burst(ForwardContext& context,
                   std::span<Packet> packets,
                   std::span<Verdict> verdicts) noexcept {
    std::array<PacketFacts, kMaxBurst> facts_of_burst;
    std::array<Selection, kMaxBurst> selections_of_burst;
    const std::span facts(facts_of_burst.data(), packets.size());
    const std::span selections(selections_of_burst.data(), packets.size());
    if (context.snapshot.is_empty()) {  // there is no VIP
        for (Verdict& verdict : verdicts) {
            verdict = {};
            verdict.action = Action::kKernel;
        }
    } else {
        classify_burst(context.snapshot, packets, facts, verdicts);
        for (const PacketFacts& fact : facts) {
            if (fact.service != nullptr) {
                context.flows->prefetch(fact.hash);
            }
        }
        select_burst(context, facts, selections, verdicts);
        rewrite_burst(context.snapshot, packets, facts, selections, verdicts);
    }
    count_burst(context.counters, facts, verdicts);
}

std::size_t sweep_flows(ForwardContext& context, std::size_t buckets) noexcept {
    if (context.snapshot.is_empty()) {
        return 0;  // no daemon has said yet which backends there are
    }
    return context.flows->sweep(
        buckets, context.now, [&context](BackendIndex index, std::uint32_t incarnation) {
            const shm::BackendRecord* const record = context.tables->backend(index);
            if (record == nullptr) {
                return false;
            }
            // Pairs with the daemon's release store (tables.h, T4).
            const shm::BackendWord word(record->word.load(std::memory_order_acquire));
            constexpr std::uint64_t kWanted =
                shm::BackendWord::kPublished | shm::BackendWord::kKeepsFlows;
            return (word.raw() & kWanted) == kWanted && word.incarnation() == incarnation;
        });
}

}  // namespace fairlead
