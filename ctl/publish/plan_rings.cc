// Working out which rings a step brings: whose members have changed, in which order they are built,
// and for how long.
#include <algorithm>
#include <chrono>
#include <map>
#include <span>
#include <string_view>

#include "ctl/maglev/maglev.h"
#include "ctl/publish/publisher_state.h"

namespace fairlead::publish {

namespace {

using Clock = std::chrono::steady_clock;

struct MemberView {
    std::string_view name;
    std::uint32_t weight = 0;
    std::uint32_t index = 0;
};

// The ring's input, of those that have an index.
void find_members(const DesiredService& service,
                  const std::vector<std::uint32_t>& indices,
                  std::vector<MemberView>& members) {
    members.clear();
    for (std::size_t i = 0; i < service.backends.size(); ++i) {
        const DesiredBackend& backend = service.backends[i];
        if (backend.ring_weight != 0 && indices[i] != kWaits) {
            members.push_back({backend.name, backend.ring_weight, indices[i]});
        }
    }
    std::sort(members.begin(), members.end(), [](const MemberView& a, const MemberView& b) {
        return a.name < b.name;
    });
}

[[nodiscard]] bool same_members(const std::vector<MemberView>& members,
                                const std::vector<RingMember>& published) {
    return std::equal(members.begin(),
                      members.end(),
                      published.begin(),
                      published.end(),
                      [](const MemberView& a, const RingMember& b) {
                          return a.index == b.index && a.weight == b.weight && a.name == b.name;
                      });
}

// Whether one of the published is no member any more.
[[nodiscard]] bool loses_one(const std::vector<RingMember>& published,
                             const std::vector<MemberView>& members) {
    return std::any_of(published.begin(), published.end(), [&](const RingMember& was) {
        const auto place = std::lower_bound(
            members.begin(), members.end(), was.name, [](const MemberView& a, std::string_view b) {
                return a.name < b;
            });
        return place == members.end() || place->index != was.index;
    });
}

}  // namespace

const PublishedRing* PublisherState::ring_in_force(const DesiredService& service) const {
    const auto found = services.find(service.name);
    return found == services.end() ? nullptr : &found->second.ring;
}

std::vector<std::size_t> PublisherState::rings_to_build(const DesiredTables& desired, Plan& plan) {
    std::vector<std::size_t> first;
    std::vector<std::size_t> others;
    std::vector<MemberView> members;
    for (std::size_t position = 0; position < desired.services.size(); ++position) {
        const DesiredService& service = desired.services[position];
        Plan::Ring& planned = plan.rings.emplace_back();
        if (plan.service_ids[position] == kWaits) {
            continue;
        }
        find_members(service, plan.backend_indices[position], members);
        const PublishedRing* const old = ring_in_force(service);
        if (old != nullptr && old->members && same_members(members, *old->members)) {
            planned.ring.slot = old->slot;
            planned.ring.fingerprint = old->fingerprint;
            planned.stays = true;
            continue;
        }
        std::vector<RingMember>& wanted = planned.ring.members.emplace();
        for (const MemberView& member : members) {
            wanted.push_back({std::string(member.name), member.weight, member.index});
        }
        const bool is_urgent = old != nullptr && old->members && loses_one(*old->members, members);
        (is_urgent ? first : others).push_back(position);
    }
    first.insert(first.end(), others.begin(), others.end());
    return first;
}

Status PublisherState::plan_rings(const DesiredTables& desired,
                                  Shortage shortage,
                                  Plan& plan,
                                  std::uint64_t lowest) {
    const std::vector<std::size_t> positions = rings_to_build(desired, plan);
    // What comes with every step, however little it builds, is no more than half of it. A worker
    // that is late is asked seldom, and for more: each step takes a snapshot, of which there are
    // few.
    const auto now = Clock::now();
    const Clock::duration least =
        lowest < generation() ? Publisher::kBuildForLate : Publisher::kBuildFor;
    const auto deadline = now + std::max(least, now - plan.began);
    std::map<std::string, std::vector<RingMember>, std::less<>> short_of_memory;
    bool has_time = true;
    bool has_slots = ring_slots_.has_free(lowest);
    for (const std::size_t position : positions) {
        const DesiredService& service = desired.services[position];
        Plan::Ring& planned = plan.rings[position];
        const bool needs_none = planned.ring.members->empty();
        if (!needs_none && (!has_time || !has_slots)) {
            let_wait(plan, position, service);
            continue;
        }
        if (Status built = build_ring(service, position, plan); !built) {
            return built;
        }
        has_time = generation() == 0 || Clock::now() < deadline;
        if (planned.content.empty()) {
            continue;
        }
        const std::optional<std::uint32_t> slot = ring_slots_.take(lowest);
        if (!slot) {
            has_slots = false;
            let_wait(plan, position, service);
            continue;
        }
        if (Status reserved = file.reserve_ring(*slot); !reserved) {
            ring_slots_.give_back(*slot);
            const auto former = short_of_memory_.find(service.name);
            const bool waited_before =
                former != short_of_memory_.end() && former->second == *planned.ring.members;
            if (shortage == Shortage::kRefuse && !waited_before) {
                planned.content.clear();
                return reserved;
            }
            plan.why = reserved.error().message;
            short_of_memory.emplace(service.name, std::move(*planned.ring.members));
            let_wait(plan, position, service);
            continue;
        }
        planned.ring.slot = slot;
    }
    short_of_memory_ = std::move(short_of_memory);
    return {};
}

void PublisherState::let_wait(Plan& plan,
                              std::size_t position,
                              const DesiredService& service) const {
    const PublishedRing* const old = ring_in_force(service);
    Plan::Ring& planned = plan.rings[position];
    planned = {};
    planned.waits = true;
    if (old != nullptr) {
        planned.ring.slot = old->slot;
        planned.ring.fingerprint = old->fingerprint;
    }
    wait(plan);
}

Status PublisherState::build_ring(const DesiredService& service, std::size_t position, Plan& plan) {
    Plan::Ring& planned = plan.rings[position];
    const std::vector<RingMember>& members = *planned.ring.members;
    const PublishedRing* const old = ring_in_force(service);
    const std::span<const std::uint16_t> old_content =
        old != nullptr && old->slot ? file.ring(*old->slot) : std::span<std::uint16_t>{};
    if (members.empty()) {
        planned.moved = old_content.size();
        return {};
    }
    std::vector<MaglevMember> input;
    input.reserve(members.size());
    for (const RingMember& member : members) {
        input.push_back({member.name, member.weight});
    }
    Result<MaglevRing> built = build_maglev_ring(input, shm::kRingEntries);
    if (!built) {
        return Unexpected{built.error()};
    }
    planned.ring.fingerprint = maglev_fingerprint(input, *built);
    std::vector<std::uint16_t> content(built->size());
    std::transform(
        built->begin(), built->end(), content.begin(), [&](std::uint16_t position_in_input) {
            return static_cast<std::uint16_t>(members[position_in_input].index);
        });
    if (old_content.empty()) {
        planned.moved = content.size();
    }
    for (std::size_t slot = 0; slot < old_content.size(); ++slot) {
        planned.moved += content[slot] != old_content[slot] ? 1U : 0U;
    }
    if (!old_content.empty() && planned.moved == 0) {
        planned.ring.slot = old->slot;  // the same owners by other weights, or a predecessor's ring
        return {};
    }
    planned.content = std::move(content);
    return {};
}

}  // namespace fairlead::publish
