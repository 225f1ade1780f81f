#include "dp/forward/path/count.h"

namespace fairlead {

namespace {

// The counters of an index, or nullptr where a scribbled segment names one that is not there.
template <typename Counters, typename Index>
[[nodiscard]] Counters* counters_of(std::span<Counters> counters, Index index) noexcept {
    return to_number(index) < counters.size() ? &counters[to_number(index)] : nullptr;
}

void count_received(shm::ServiceCounters& service, const PacketFacts& facts) noexcept {
    service.received_packets.add(1);
    service.received_bytes.add(facts.frame_bytes);
}

void count_sent(shm::BackendCounters& backend, const PacketFacts& facts) noexcept {
    backend.forwarded_packets.add(1);
    backend.forwarded_bytes.add(facts.frame_bytes);
}

}  // namespace

void count_forwarded(WorkerCounters& counters,
                     std::span<const PacketFacts> facts,
                     std::span<const Verdict> verdicts) noexcept {
    for (std::size_t i = 0; i < verdicts.size(); ++i) {
        if (auto* const service = counters_of(counters.services, verdicts[i].service)) {
            count_received(*service, facts[i]);
        }
        if (auto* const backend = counters_of(counters.backends, verdicts[i].backend)) {
            count_sent(*backend, facts[i]);
        }
    }
    counters.worker->packets.add(verdicts.size());
}

std::size_t count_burst(WorkerCounters& counters,
                        std::span<const PacketFacts> facts,
                        std::span<const Verdict> verdicts) noexcept {
    shm::WorkerBlock& worker = *counters.worker;
    std::size_t held = 0;  // counted when they leave, as whatever they are by then
    for (std::size_t i = 0; i < verdicts.size(); ++i) {
        const Verdict& verdict = verdicts[i];
        if (verdict.action == Action::kKernel) {
            worker.kernel_packets.add(1);
            continue;
        }
        if (verdict.action == Action::kHold) [[unlikely]] {
            ++held;
            continue;
        }
        const bool is_dropped = verdict.action == Action::kDrop;
        if (is_dropped) {
            worker.dropped[static_cast<std::size_t>(verdict.reason)].add(1);
        }
        if (auto* const service = counters_of(counters.services, verdict.service)) {
            count_received(*service, facts[i]);
            if (is_dropped) {
                service->dropped[static_cast<std::size_t>(verdict.reason)].add(1);
            }
        }
        if (is_dropped) {
            continue;
        }
        if (auto* const backend = counters_of(counters.backends, verdict.backend)) {
            count_sent(*backend, facts[i]);
        }
    }
    worker.packets.add(verdicts.size() - held);
    return held;
}

}  // namespace fairlead
