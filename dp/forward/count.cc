#include "dp/forward/count.h"

namespace fairlead {

void count_burst(WorkerCounters& counters,
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
    worker.packets.add(verdicts.size() - held);
}

}  // namespace fairlead
