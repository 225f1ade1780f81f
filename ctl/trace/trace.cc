#include "ctl/trace/trace.h"

#include <algorithm>
#include <array>
#include <memory>

#include "ctl/trace/frame.h"
#include "dp/base/read_once.h"
#include "dp/flow/flow_hash.h"
#include "dp/forward/path/classify.h"
#include "dp/forward/path/ring_hash.h"
#include "dp/forward/path/vlan.h"
#include "dp/forward/pipeline.h"
#include "dp/net/parse.h"

namespace fairlead::trace {
namespace {

// A worker that nobody sees: counters and a flow table of two buckets.
class ScratchWorker {
  public:
    // `tracked` is what the worker knows of the flow; an empty entry: nothing.
    ScratchWorker(std::uint64_t hash, FlowEntry tracked)
        : counters_(std::make_unique<shm::WorkerBlock>()) {
        buckets_[bucket_pair(hash, buckets_.size() - 1).first].entries[0].store(
            tracked.raw(), std::memory_order_relaxed);
        flows_ = std::make_unique<FlowTable>(
            std::span(buckets_), *counters_, std::span<shm::BackendCounters>());
    }

    [[nodiscard]] FlowTable& flows() { return *flows_; }
    [[nodiscard]] shm::WorkerBlock& counters() { return *counters_; }

  private:
    std::array<shm::FlowBucket, 2> buckets_{};
    std::unique_ptr<shm::WorkerBlock> counters_;
    std::unique_ptr<FlowTable> flows_;
};

// The frame with the room in front of it that an outer header needs.
struct Buffer {
    explicit Buffer(const std::vector<std::uint8_t>& frame)
        : bytes(kNeededHeadroomBytes + frame.size()) {
        std::copy(frame.begin(), frame.end(), bytes.begin() + kNeededHeadroomBytes);
        packet = {.data = bytes.data() + kNeededHeadroomBytes,
                  .length = static_cast<std::uint32_t>(frame.size()),
                  .headroom = kNeededHeadroomBytes};
    }
    std::vector<std::uint8_t> bytes;
    Packet packet;
};

std::vector<TrackedFlow> tracked_flows(std::span<const FlowTableView> tables,
                                       std::uint64_t hash,
                                       FlowTick now) {
    std::vector<TrackedFlow> found;
    for (std::size_t worker = 0; worker < tables.size(); ++worker) {
        const FlowEntry entry = tables[worker].find(hash);
        if (!entry.is_empty()) {
            constexpr auto kSeconds = static_cast<std::int32_t>(kSecondsPerFlowTick);
            found.push_back({WorkerIndex{static_cast<std::uint16_t>(worker)},
                             entry,
                             entry.ticks_left(now) * kSeconds});
        }
    }
    // One that another worker has left behind ends first.
    std::stable_sort(found.begin(), found.end(), [](const TrackedFlow& a, const TrackedFlow& b) {
        return a.seconds_left > b.seconds_left;
    });
    return found;
}

std::optional<RingPlace> ring_place(const shm::TablesReader& tables,
                                    const shm::ServiceRecord& service,
                                    std::uint64_t hash) {
    const std::span<const std::uint16_t> ring = tables.ring(service);
    if (ring.empty()) {
        return std::nullopt;
    }
    const auto entries = static_cast<std::uint32_t>(ring.size());
    const std::uint32_t slot = ring_slot(hash, entries);
    return RingPlace{
        slot, entries, BackendIndex{read_once(ring[slot])}, read_once(service.source_prefix_bits)};
}

std::optional<SourceAnswer> source_answer(const shm::Snapshot& snapshot,
                                          const shm::ServiceRecord& service,
                                          const IpAddress& source) {
    const std::uint32_t list = read_once(service.prefix_list);
    if (!snapshot.prefixes.has(list)) {
        return std::nullopt;
    }
    const shm::SourceJudgement judgement = snapshot.prefixes.judge(list, source);
    const std::uint32_t length =
        std::min<std::uint32_t>(judgement.rule.length, source.is_v4() ? kV4Bits : kV6Bits);
    return SourceAnswer{judgement.is_denied, judgement.rule.match, prefix_around(source, length)};
}

Decider decider_of(const shm::WorkerBlock& counters, const Verdict& verdict) {
    if (counters.flow_hits.get() > 0) {
        return Decider::kFlowTable;
    }
    if (counters.flow_adopted.get() > 0) {
        return Decider::kOtherFlowTable;
    }
    return verdict.backend == kNoBackendIndex ? Decider::kNone : Decider::kRing;
}

}  // namespace

Answer trace(const shm::TablesReader& tables,
             std::span<const FlowTableView> flows,
             FlowTick now,
             const Question& question) {
    Answer answer;
    Buffer buffer(make_frame(question));
    const shm::Snapshot snapshot = tables.snapshot();
    // The packet comes as the first port's traffic does.
    constexpr PortIndex kPort{0};
    if (snapshot.port_count > to_number(kPort)) {
        header_at<EthernetHeader>(buffer.packet.data).destination =
            snapshot.header->ports[to_number(kPort)].mac;
    }
    PacketFacts facts;
    if (!snapshot.is_empty()) {  // what the first stage learns of the packet is not in the verdict
        ScratchWorker nobody(0, FlowEntry{});
        Verdict verdict;
        classify_burst(snapshot,
                       nobody.flows(),
                       Ingress{OwnMac(snapshot, kPort)},
                       {&buffer.packet, 1},
                       {&facts, 1},
                       {&verdict, 1});
    }
    if (facts.service != nullptr) {
        answer.hash = facts.hash;
        answer.source = source_answer(snapshot, *facts.service, question.source);
        answer.flows = tracked_flows(flows, facts.hash, now);
        const std::uint8_t* const client = client_of(buffer.packet, facts.is_v6);
        answer.ring =
            ring_place(tables, *facts.service, ring_hash(snapshot.flow_hash_seed, facts, client));
    }

    ScratchWorker worker(facts.hash,
                         answer.flows.empty() ? FlowEntry{} : answer.flows.front().entry);
    ForwardContext context;
    context.tables = &tables;
    context.snapshot = snapshot;
    context.flows = &worker.flows();
    context.other_flows = flows;
    context.counters.worker = &worker.counters();
    context.now = now;
    context.receiving_port = kPort;
    if (const std::uint16_t vlan = vlan_of(snapshot, context.receiving_port); vlan != 0) {
        (void)put_tag(buffer.packet, vlan);
    }
    forward_burst(context, {&buffer.packet, 1}, {&answer.verdict, 1});

    answer.decider = decider_of(worker.counters(), answer.verdict);
    if (answer.verdict.action == Action::kTransmit) {
        const std::span<const std::uint8_t> frame(buffer.packet.data, buffer.packet.length);
        std::copy_n(frame.begin(),
                    answer.destination_mac.bytes.size(),
                    answer.destination_mac.bytes.begin());
        answer.bytes = buffer.packet.length;
        // Without its tag, so that the type stands where it stands in an untagged frame.
        const bool is_tagged = vlan_of(snapshot, answer.verdict.port) != 0;
        answer.outer = outer_header_of(frame.subspan(is_tagged ? sizeof(VlanTag) : 0), question);
    }
    return answer;
}

}  // namespace fairlead::trace
