#include "dp/forward/select.h"

#include <array>

#include "dp/base/read_once.h"
#include "dp/flow/flow_hash.h"
#include "dp/forward/limit.h"

namespace fairlead {

namespace {

[[nodiscard]] shm::BackendWord word_of(const shm::BackendRecord& record) noexcept {
    // Pairs with the release store of the daemon (tables.h, T3): with kPublished, the fields are
    // valid.
    return shm::BackendWord(record.word.load(std::memory_order_acquire));
}

// One packet at a time, with the tables and counters of the burst.
class Selector {
  public:
    explicit Selector(ForwardContext& context) noexcept
        : context_(context),
          tables_(*context.tables),
          flows_(*context.flows),
          worker_(*context.counters.worker) {}

    // The entry may be another one by the time select() runs: packets of the burst before it
    // insert.
    [[nodiscard]] FlowPlace look_up(const PacketFacts& facts) noexcept {
        const FlowPlace place = flows_.find(facts.hash);
        if (place.is_found()) {
            if (const auto* record = tables_.backend(place.entry.backend())) {
                __builtin_prefetch(record);
            }
        }
        return place;
    }

    [[nodiscard]] DropReason select(const PacketFacts& facts,
                                    FlowPlace place,
                                    Selection& selection,
                                    Verdict& verdict) noexcept {
        if (!place.is_found() || !place.is_current()) {
            place = flows_.find(facts.hash);
        }
        // A client's port that is used again after its connection has closed begins another one, by
        // the ring: a client that reuses its ports for ever must see added backends and new
        // weights. Its price: a forged SYN of the same addresses and ports moves a half-closed
        // connection.
        const bool is_used_again = place.is_found() && facts.event == FlowEvent::kOpen &&
                                   place.entry.state() == FlowState::kClosing;
        if (place.is_found() && !is_used_again && accept(facts, place.entry, selection)) {
            flows_.touch(place, facts.event, context_.now);
            ++hits_;
            verdict.backend = place.entry.backend();
            return DropReason::kNone;
        }
        ++misses_;
        if (facts.event != FlowEvent::kOpen && adopt(facts, place, selection, verdict)) {
            return DropReason::kNone;
        }
        return pick_from_ring(facts, place, selection, verdict);
    }

    [[nodiscard]] DropReason select_related(const PacketFacts& facts,
                                            Selection& selection,
                                            Verdict& verdict) noexcept {
        const FlowPlace place = flows_.find(facts.hash);
        if (place.is_found() && accept(facts, place.entry, selection)) {
            verdict.backend = place.entry.backend();
            return DropReason::kNone;
        }
        for (const FlowTableView& other : context_.other_flows) {
            const FlowEntry entry = other.find(facts.hash);
            if (!entry.is_empty() && accept(facts, entry, selection)) {
                verdict.backend = entry.backend();
                return DropReason::kNone;
            }
        }
        return look_in_ring(facts, selection, verdict);
    }

    void bump_counters() noexcept {
        worker_.flow_hits.add(hits_);
        worker_.flow_misses.add(misses_);
    }

  private:
    // Whether a flow entry's backend may have this packet. The service is compared, so that a
    // collision of hashes cannot cross from one service to another.
    [[nodiscard]] bool accept(const PacketFacts& facts,
                              FlowEntry entry,
                              Selection& selection) const noexcept {
        const shm::BackendRecord* const record = tables_.backend(entry.backend());
        if (record == nullptr) {
            return false;
        }
        using Word = shm::BackendWord;
        const Word word = word_of(*record);
        const std::uint64_t wanted =
            Word::kPublished | Word::kKeepsFlows |
            (facts.event == FlowEvent::kOpen ? std::uint64_t{Word::kAdmitsNew} : 0);
        if ((word.raw() & wanted) != wanted || word.incarnation() != entry.incarnation() ||
            read_once(record->service) != read_once(facts.service->id)) {
            return false;
        }
        selection = {record, word};
        return true;
    }

    [[nodiscard]] bool adopt(const PacketFacts& facts,
                             const FlowPlace& place,
                             Selection& selection,
                             Verdict& verdict) noexcept {
        for (const FlowTableView& other : context_.other_flows) {
            other.prefetch(facts.hash);
        }
        for (const FlowTableView& other : context_.other_flows) {
            const FlowEntry entry = other.find(facts.hash);
            if (entry.is_empty() || !accept(facts, entry, selection)) {
                continue;
            }
            const NewFlow flow{facts.hash,
                               entry.backend(),
                               entry.incarnation(),
                               next_state(entry.state(), facts.event)};
            remember(place, flow, facts.event);
            worker_.flow_adopted.add(1);
            verdict.backend = entry.backend();
            return true;
        }
        return false;
    }

    [[nodiscard]] DropReason look_in_ring(const PacketFacts& facts,
                                          Selection& selection,
                                          Verdict& verdict) const noexcept {
        const std::span<const std::uint16_t> ring = tables_.ring(*facts.service);
        if (ring.empty()) {
            return DropReason::kNoBackend;
        }
        const auto entries = static_cast<std::uint32_t>(ring.size());
        const BackendIndex index{read_once(ring[ring_slot(facts.hash, entries)])};
        if (index == kNoBackendIndex) {
            return DropReason::kNoBackend;
        }
        const shm::BackendRecord* const record = tables_.backend(index);
        if (record == nullptr) {
            return DropReason::kBadTables;
        }
        const shm::BackendWord word = word_of(*record);
        if (!word.has(shm::BackendWord::kPublished)) {
            return DropReason::kNoBackend;
        }
        if (read_once(record->service) != read_once(facts.service->id)) {
            return DropReason::kBadTables;
        }
        selection = {record, word};
        verdict.backend = index;
        return DropReason::kNone;
    }

    [[nodiscard]] DropReason pick_from_ring(const PacketFacts& facts,
                                            const FlowPlace& place,
                                            Selection& selection,
                                            Verdict& verdict) noexcept {
        const bool begins = facts.event == FlowEvent::kOpen || facts.event == FlowEvent::kDatagram;
        if (facts.source_key != 0 && begins && !may_begin_flow(context_, facts)) [[unlikely]] {
            return DropReason::kOverSourceLimit;
        }
        const DropReason reason = look_in_ring(facts, selection, verdict);
        if (reason != DropReason::kNone) {
            return reason;
        }
        const NewFlow flow{
            facts.hash, verdict.backend, selection.word.incarnation(), FlowState::kUnproven};
        // What ends with its first packet here is forwarded, but leaves nothing to remember.
        if (facts.event != FlowEvent::kClose && remember(place, flow, facts.event)) {
            count_new_flow(verdict.service, verdict.backend);
        }
        return DropReason::kNone;
    }

    bool remember(const FlowPlace& place, const NewFlow& flow, FlowEvent event) noexcept {
        if (place.is_found()) {
            flows_.replace(place, flow, event, context_.now);
            return true;
        }
        return flows_.insert(flow, event, context_.now);
    }

    void count_new_flow(ServiceId service, BackendIndex backend) noexcept {
        WorkerCounters& counters = context_.counters;
        if (to_number(service) < counters.services.size()) {
            counters.services[to_number(service)].new_flows.add(1);
        }
        if (to_number(backend) < counters.backends.size()) {
            counters.backends[to_number(backend)].new_flows.add(1);
        }
    }

    ForwardContext& context_;
    const shm::TablesReader& tables_;
    FlowTable& flows_;
    shm::WorkerBlock& worker_;
    std::uint64_t hits_ = 0;
    std::uint64_t misses_ = 0;
};

}  // namespace

void select_burst(ForwardContext& context,
                  std::span<PacketFacts> facts,
                  std::span<Selection> selections,
                  std::span<Verdict> verdicts) noexcept {
    Selector selector(context);
    std::array<FlowPlace, kStageBurst> places;
    for (std::size_t i = 0; i < facts.size(); ++i) {
        if (facts[i].service != nullptr) {
            places[i] = selector.look_up(facts[i]);
        }
    }
    for (std::size_t i = 0; i < facts.size(); ++i) {
        if (facts[i].service == nullptr) {
            continue;
        }
        verdicts[i].reason = selector.select(facts[i], places[i], selections[i], verdicts[i]);
        if (verdicts[i].reason != DropReason::kNone) {
            facts[i].service = nullptr;
        }
    }
    selector.bump_counters();
}

DropReason select_related(ForwardContext& context,
                          const PacketFacts& facts,
                          Selection& selection,
                          Verdict& verdict) noexcept {
    return Selector(context).select_related(facts, selection, verdict);
}

}  // namespace fairlead
