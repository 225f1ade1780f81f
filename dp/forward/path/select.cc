#include "dp/forward/path/select.h"

#include <bit>

#include "dp/base/burst.h"
#include "dp/base/read_once.h"
#include "dp/base/uninitialized.h"
#include "dp/flow/flow_hash.h"
#include "dp/forward/path/limit.h"
#include "dp/forward/path/ring_hash.h"
#include "dp/forward/path/tracked.h"

namespace fairlead {

namespace {

// One packet at a time, with the tables and counters of the burst.
class Selector {
  public:
    // Packet i is the one that facts[i] speak of. Looked at only where the ring is asked.
    Selector(ForwardContext& context,
             std::span<const Packet> packets,
             std::span<const PacketFacts> facts) noexcept
        : packets_(packets.data()),
          facts_(facts.data()),
          context_(context),
          tables_(*context.tables),
          flows_(*context.flows),
          worker_(*context.counters.worker),
          settled_(context.now) {}

    // The entry may be another one by the time select() runs: packets of the burst before it
    // insert.
    [[nodiscard]] FlowPlace look_up(const PacketFacts& facts) noexcept {
        const FlowPlace place = flows_.find(facts.hash);
        // Also where nothing is found: in a flood that is a coin toss, and cheaper done than
        // guessed.
        if (const auto* record = tables_.backend(place.entry.backend())) {
            __builtin_prefetch(record);
        }
        return place;
    }

    // `place`: what look_up() has found.
    [[nodiscard]] DropReason select_known(const PacketFacts& facts,
                                          const FlowPlace& place,
                                          Selection& selection,
                                          Verdict& verdict) noexcept {
        if (place.is_current() && follow(facts, place, selection, verdict)) [[likely]] {
            return DropReason::kNone;
        }
        return select_anew(facts, flows_.find(facts.hash), selection, verdict);
    }

    // For a packet whose flow look_up() has not found.
    [[nodiscard]] DropReason select_unknown(const PacketFacts& facts,
                                            Selection& selection,
                                            Verdict& verdict) noexcept {
        if (facts.event == FlowEvent::kOpen && facts.source_key == 0 && !has_inserted_ &&
            flows_.is_at_quota()) {
            return select_for_untracked_syn(facts, selection, verdict);
        }
        const FlowPlace place = has_inserted_ ? flows_.find(facts.hash) : FlowPlace{};
        return select_anew(facts, place, selection, verdict);
    }

    [[nodiscard]] DropReason select_related(const PacketFacts& facts,
                                            const std::uint8_t* client,
                                            Selection& selection,
                                            Verdict& verdict) noexcept {
        const FlowPlace place = flows_.find(facts.hash);
        if (place.is_found() && accept(facts, place.entry, selection)) {
            verdict.backend = place.entry.backend();
            return DropReason::kNone;
        }
        if (!context_.other_flows.empty() && may_search()) {
            for (const FlowTableView& other : context_.other_flows) {
                const FlowEntry entry = other.find(facts.hash);
                if (!entry.is_empty() && accept(facts, entry, selection)) {
                    verdict.backend = entry.backend();
                    return DropReason::kNone;
                }
            }
        }
        return look_in_ring(facts, client, selection, verdict);
    }

    void bump_counters() noexcept {
        worker_.flow_hits.add(hits_);
        worker_.flow_misses.add(misses_);
    }

  private:
    // The backend of the flow's own entry; false: the entry does not count.
    [[nodiscard, gnu::always_inline]] bool follow(const PacketFacts& facts,
                                                  const FlowPlace& place,
                                                  Selection& selection,
                                                  Verdict& verdict) noexcept {
        if (!accept(facts, place.entry, selection)) {
            return false;
        }
        if (!settled_.has(place.entry, facts.event)) {
            flows_.touch(place, event_of(facts), context_.now);
        }
        ++hits_;
        verdict.backend = place.entry.backend();
        return true;
    }

    [[nodiscard, gnu::noinline]] DropReason select_anew(const PacketFacts& facts,
                                                        const FlowPlace& place,
                                                        Selection& selection,
                                                        Verdict& verdict) noexcept {
        if (place.is_found() && follow(facts, place, selection, verdict)) {
            return DropReason::kNone;
        }
        ++misses_;
        if (facts.event == FlowEvent::kOpen || context_.other_flows.empty()) {
            return pick_from_ring(facts, place, selection, verdict);
        }
        if (!may_search()) {
            // Not remembered: were the flow another worker's after all, its next packet may find
            // out. Until then each datagram counts as a flow's first.
            if (exceeds_source_limit(facts)) [[unlikely]] {
                return DropReason::kOverSourceLimit;
            }
            const std::uint8_t* const client = client_of(packets_[&facts - facts_], facts.is_v6);
            return look_in_ring(facts, client, selection, verdict);
        }
        if (adopt(facts, place, selection, verdict)) {
            return DropReason::kNone;
        }
        return pick_from_ring(facts, place, selection, verdict);
    }

    // What select_anew() comes to in a flood of SYNs, at the least price.
    [[nodiscard]] DropReason select_for_untracked_syn(const PacketFacts& facts,
                                                      Selection& selection,
                                                      Verdict& verdict) noexcept {
        ++misses_;
        const std::uint8_t* const client = client_of(packets_[&facts - facts_], facts.is_v6);
        const DropReason reason = look_in_ring(facts, client, selection, verdict);
        if (reason == DropReason::kNone) {
            flows_.refuse_syn();
        }
        return reason;
    }

    // Whether a flow entry's backend may have this packet.
    [[nodiscard, gnu::always_inline]] bool accept(const PacketFacts& facts,
                                                  FlowEntry entry,
                                                  Selection& selection) const noexcept {
        if (!find_tracked(
                tables_, entry.backend(), entry.incarnation(), *facts.service, selection)) {
            return false;
        }
        return facts.event != FlowEvent::kOpen || is_open_to_syn(entry.state(), selection.word);
    }

    // Whether a SYN follows its flow's entry. An established one it does, also to a backend that
    // drains: anybody can forge a SYN, and it must move nothing. Where it is the client's own, who
    // uses the port again while the server knows the connection, the server answers by a challenge
    // ACK (RFC 9293, 3.10.7.4), the client resets what it does not know, and that ends the flow
    // here: the SYN that it sends next goes by the ring. A dead server would not answer, so what
    // is taken out gets no SYN.
    [[nodiscard]] static bool is_open_to_syn(FlowState state, shm::BackendWord word) noexcept {
        switch (state) {
            case FlowState::kEstablished:
                return !word.has(shm::BackendWord::kTakenOut);
            // A client's port that is used again after its connection has closed begins another
            // one, by the ring: a client that reuses its ports for ever must see added backends and
            // new weights. Its price: a forged SYN of the same addresses and ports moves a
            // half-closed connection.
            case FlowState::kClosing:
                return false;
            case FlowState::kEmpty:
            case FlowState::kUnproven:
            case FlowState::kDatagram:
                return word.has(shm::BackendWord::kAdmitsNew);
        }
        return false;
    }

    // Whether the other workers' tables may be looked into once more.
    [[nodiscard]] bool may_search() noexcept {
        if (context_.search_limit.take(context_.other_flows.size(), context_.now_ms)) {
            return true;
        }
        worker_.flow_searches_skipped.add(1);
        return false;
    }

    // For a packet that may be its flow's first.
    [[nodiscard]] bool exceeds_source_limit(const PacketFacts& facts) noexcept {
        const bool begins = facts.event == FlowEvent::kOpen || facts.event == FlowEvent::kDatagram;
        return facts.source_key != 0 && begins && !may_begin_flow(context_, facts);
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
                               next_state(entry.state(), event_of(facts))};
            remember(place, flow, event_of(facts));
            worker_.flow_adopted.add(1);
            verdict.backend = entry.backend();
            return true;
        }
        return false;
    }

    // Not inlined, or what only it needs takes registers from the packets that the table knows.
    [[nodiscard, gnu::noinline]] DropReason look_in_ring(const PacketFacts& facts,
                                                         const std::uint8_t* client,
                                                         Selection& selection,
                                                         Verdict& verdict) const noexcept {
        const std::span<const std::uint16_t> ring = tables_.ring(*facts.service);
        if (ring.empty()) {
            return DropReason::kNoBackend;
        }
        const auto entries = static_cast<std::uint32_t>(ring.size());
        const std::uint64_t hash = ring_hash(context_.snapshot.flow_hash_seed, facts, client);
        const BackendIndex index{read_once(ring[ring_slot(hash, entries)])};
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
        if (exceeds_source_limit(facts)) [[unlikely]] {
            return DropReason::kOverSourceLimit;
        }
        const std::uint8_t* const client = client_of(packets_[&facts - facts_], facts.is_v6);
        const DropReason reason = look_in_ring(facts, client, selection, verdict);
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
        if (event == FlowEvent::kOpen && !place.is_found() && flows_.is_at_quota()) {
            flows_.refuse_syn();
            return false;
        }
        has_inserted_ = true;
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

    const Packet* packets_;
    const PacketFacts* facts_;
    ForwardContext& context_;
    const shm::TablesReader& tables_;
    FlowTable& flows_;
    shm::WorkerBlock& worker_;
    SettledEntries settled_;
    std::uint64_t hits_ = 0;
    std::uint64_t misses_ = 0;
    bool has_inserted_ = false;  // so what look_up() did not find may be there now
};

// What the second stage works on. All spans have one size.
struct Burst {
    std::span<PacketFacts> facts;
    std::span<const FlowPlace> places;  // of known flows
    std::span<Selection> selections;
    std::span<Verdict> verdicts;

    void decide(std::size_t i, DropReason reason) const noexcept {
        if (reason != DropReason::kNone) {
            verdicts[i].reason = reason;
            facts[i].service = nullptr;
        }
    }
};

// Known flows first, then the others, each in the order of the burst; a bit for each packet.
[[gnu::noinline]] void select_mixed(Selector& selector,
                                    const Burst& burst,
                                    std::uint32_t known,
                                    std::uint32_t unknown) noexcept {
    for (; known != 0; known &= known - 1) {
        const auto i = static_cast<std::size_t>(std::countr_zero(known));
        burst.decide(i,
                     selector.select_known(
                         burst.facts[i], burst.places[i], burst.selections[i], burst.verdicts[i]));
    }
    for (; unknown != 0; unknown &= unknown - 1) {
        const auto i = static_cast<std::size_t>(std::countr_zero(unknown));
        burst.decide(
            i, selector.select_unknown(burst.facts[i], burst.selections[i], burst.verdicts[i]));
    }
}

}  // namespace

void select_burst(ForwardContext& context,
                  std::span<const Packet> packets,
                  std::span<PacketFacts> facts,
                  std::span<Selection> selections,
                  std::span<Verdict> verdicts) noexcept {
    Selector selector(context, packets, facts);
    Uninitialized<FlowPlace, kBurstPackets> place_of_each;
    const std::span<FlowPlace> places = place_of_each.first(facts.size());
    // Who is who is noted without a branch: in a flood every one would be a coin toss.
    static_assert(kBurstPackets <= 32);
    std::uint32_t served = 0;
    std::uint32_t known = 0;
    for (std::size_t i = 0; i < facts.size(); ++i) {
        if (facts[i].service != nullptr) {
            places[i] = selector.look_up(facts[i]);
            served |= 1U << i;
            known |= (places[i].is_found() ? 1U : 0U) << i;
        }
    }
    const Burst burst{facts, places, selections, verdicts};
    if (static_cast<std::size_t>(std::popcount(known)) == facts.size()) [[likely]] {
        for (std::size_t i = 0; i < facts.size(); ++i) {
            burst.decide(i, selector.select_known(facts[i], places[i], selections[i], verdicts[i]));
        }
    } else {
        select_mixed(selector, burst, known, served & ~known);
    }
    selector.bump_counters();
}

DropReason select_related(ForwardContext& context,
                          const PacketFacts& facts,
                          const std::uint8_t* client,
                          Selection& selection,
                          Verdict& verdict) noexcept {
    return Selector(context, {}, {}).select_related(facts, client, selection, verdict);
}

}  // namespace fairlead
