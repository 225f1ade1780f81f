#include "ctl/maglev/maglev.h"

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <string>
#include <utility>

#include "ctl/maglev/siphash.h"

namespace fairlead {

namespace {

// "fairlead: offset" and "fairlead:   skip" as little-endian words.
constexpr SipKey kOffsetKey{0x6461656c'72696166, 0x74657366'666f203a};
constexpr SipKey kSkipKey{0x6461656c'72696166, 0x70696b73'2020203a};

// A member on its way through the slots.
struct Walker {
    std::uint32_t slot;  // the next to try
    std::uint32_t skip;
    std::uint16_t member;
};

// The members of one weight. Their turns come at the same times, and their shares differ by one at
// most, the larger ones first: so a group needs one counter, and no member a count of its own.
struct Group {
    std::uint64_t weight = 0;
    std::uint64_t turn = 0;         // the next, from 0
    std::uint32_t full_turns = 0;   // turns that all members take
    std::uint32_t last_takers = 0;  // members, the first by name, that take one more
    std::span<Walker> walkers;

    [[nodiscard]] bool is_done() const noexcept {
        return turn >= full_turns && (turn > full_turns || last_takers == 0);
    }
    // Whether this group's next turn comes after the other's: a later time, or a smaller weight.
    [[nodiscard]] bool is_after(const Group& other) const noexcept {
        const std::uint64_t own = turn * other.weight;
        const std::uint64_t others = other.turn * weight;
        return own != others ? own > others : weight < other.weight;
    }
};

// One turn of a row of members. The next slot is found by add and wrap; a division for each of the
// M ln M probes would take half of the build's time.
void take_turns(std::span<Walker> walkers, std::span<std::uint16_t> ring) noexcept {
    const auto ring_size = static_cast<std::uint32_t>(ring.size());
    for (Walker& walker : walkers) {
        std::uint32_t slot = walker.slot;
        const std::uint32_t skip = walker.skip;
        const auto next = [skip, ring_size](std::uint32_t from) noexcept {
            const std::uint32_t sum = from + skip;
            return sum >= ring_size ? sum - ring_size : sum;
        };
        while (ring[slot] != kNoMember) {
            slot = next(slot);
        }
        ring[slot] = walker.member;
        walker.slot = next(slot);
    }
}

void take_turn(Group& group, std::span<std::uint16_t> ring) noexcept {
    const bool is_full = group.turn < group.full_turns;
    take_turns(is_full ? group.walkers : group.walkers.first(group.last_takers), ring);
    ++group.turn;
}

// Lets the groups take their turns in order of time, until all are done.
void merge_turns(std::vector<Group> groups, std::span<std::uint16_t> ring) {
    const auto is_after = [](const Group& a, const Group& b) noexcept {
        return a.is_after(b);
    };
    std::erase_if(groups, [](const Group& group) { return group.is_done(); });
    std::make_heap(groups.begin(), groups.end(), is_after);
    while (groups.size() > 1) {
        std::pop_heap(groups.begin(), groups.end(), is_after);
        take_turn(groups.back(), ring);
        if (groups.back().is_done()) {
            groups.pop_back();
        } else {
            std::push_heap(groups.begin(), groups.end(), is_after);
        }
    }
    while (!groups.empty() && !groups.front().is_done()) {
        take_turn(groups.front(), ring);
    }
}

// Members by falling weight, then by position.
std::vector<std::uint16_t> by_weight(std::span<const std::uint32_t> weights) {
    std::vector<std::uint16_t> order(weights.size());
    std::iota(order.begin(), order.end(), std::uint16_t{0});
    std::stable_sort(order.begin(), order.end(), [weights](std::uint16_t a, std::uint16_t b) {
        return weights[a] > weights[b];
    });
    return order;
}

bool is_prime(std::uint32_t number) noexcept {
    if (number < 2) {
        return false;
    }
    for (std::uint32_t divisor = 2; divisor <= number / divisor; ++divisor) {
        if (number % divisor == 0) {
            return false;
        }
    }
    return true;
}

Status check_input(std::span<const MaglevMember> members, std::uint32_t ring_size) {
    if (ring_size > kMaxRingSize || !is_prime(ring_size)) {
        return fail("a Maglev ring needs a prime number of slots, at most " +
                    std::to_string(kMaxRingSize) + ", not " + std::to_string(ring_size) +
                    "; choose " + std::to_string(kDefaultRingSize) + " or " +
                    std::to_string(kLargeRingSize));
    }
    if (members.size() > kNoMember) {
        return fail("a Maglev ring holds at most " + std::to_string(kNoMember) + " backends, not " +
                    std::to_string(members.size()));
    }
    return {};
}

}  // namespace

MaglevVisits maglev_visits(std::string_view name, std::uint32_t ring_size) noexcept {
    return {static_cast<std::uint32_t>(siphash24(kOffsetKey, name) % ring_size),
            static_cast<std::uint32_t>(siphash24(kSkipKey, name) % (ring_size - 1) + 1)};
}

std::vector<std::uint32_t> maglev_shares(std::span<const std::uint32_t> weights,
                                         std::uint32_t ring_size) {
    std::vector<std::uint32_t> shares(weights.size());
    const std::uint64_t total = std::accumulate(weights.begin(), weights.end(), std::uint64_t{0});
    if (total == 0) {
        return shares;
    }
    std::vector<std::pair<std::uint64_t, std::size_t>> remainders;
    remainders.reserve(weights.size());
    std::uint32_t left = ring_size;
    for (std::size_t i = 0; i < weights.size(); ++i) {
        const std::uint64_t product = std::uint64_t{weights[i]} * ring_size;
        shares[i] = static_cast<std::uint32_t>(product / total);
        left -= shares[i];
        remainders.emplace_back(product % total, i);
    }
    std::sort(remainders.begin(), remainders.end(), [](const auto& a, const auto& b) {
        return a.first != b.first ? a.first > b.first : a.second < b.second;
    });
    for (std::uint32_t i = 0; i < left; ++i) {  // fewer are left than there are remainders above 0
        ++shares[remainders[i].second];
    }
    return shares;
}

MaglevRing fill_maglev_ring(std::span<const MaglevVisits> visits,
                            std::span<const std::uint32_t> weights,
                            std::uint32_t ring_size) {
    MaglevRing ring(ring_size, kNoMember);
    const std::vector<std::uint32_t> shares = maglev_shares(weights, ring_size);
    std::vector<Walker> walkers;
    walkers.reserve(visits.size());  // the groups point into it
    std::vector<Group> groups;
    for (const std::uint16_t member : by_weight(weights)) {
        walkers.push_back({visits[member].offset, visits[member].skip, member});
        if (groups.empty() || groups.back().weight != weights[member]) {
            groups.push_back({.weight = weights[member], .walkers = std::span(walkers).last(1)});
        }
        Group& group = groups.back();
        group.walkers = {group.walkers.data(), &walkers.back() + 1};
    }
    for (Group& group : groups) {
        group.full_turns = shares[group.walkers.back().member];
        group.last_takers = static_cast<std::uint32_t>(
            std::count_if(group.walkers.begin(), group.walkers.end(), [&](const Walker& walker) {
                return shares[walker.member] > group.full_turns;
            }));
    }
    merge_turns(std::move(groups), ring);
    return ring;
}

Result<MaglevRing> build_maglev_ring(std::span<const MaglevMember> members,
                                     std::uint32_t ring_size) {
    if (const Status status = check_input(members, ring_size); !status) {
        return Unexpected{status.error()};
    }
    std::vector<std::uint16_t> by_name(members.size());
    std::iota(by_name.begin(), by_name.end(), std::uint16_t{0});
    std::sort(by_name.begin(), by_name.end(), [members](std::uint16_t a, std::uint16_t b) {
        return members[a].name < members[b].name;
    });
    std::vector<MaglevVisits> visits;
    std::vector<std::uint32_t> weights;
    visits.reserve(members.size());
    weights.reserve(members.size());
    for (std::size_t i = 0; i < by_name.size(); ++i) {
        const MaglevMember& member = members[by_name[i]];
        if (i > 0 && members[by_name[i - 1]].name == member.name) {
            return fail("two backends of one Maglev ring are named \"" + std::string(member.name) +
                        "\"; a name is what tells them apart");
        }
        visits.push_back(maglev_visits(member.name, ring_size));
        weights.push_back(member.weight);
    }
    MaglevRing ring = fill_maglev_ring(visits, weights, ring_size);
    for (std::uint16_t& owner : ring) {
        owner = owner == kNoMember ? kNoMember : by_name[owner];
    }
    return ring;
}

std::uint32_t maglev_fingerprint(std::span<const MaglevMember> members,
                                 std::span<const std::uint16_t> ring) {
    std::vector<std::uint64_t> ids(members.size());
    std::transform(members.begin(), members.end(), ids.begin(), [](const MaglevMember& member) {
        return siphash24(kOffsetKey, member.name);
    });
    std::uint64_t hash = ring.size();
    for (const std::uint16_t owner : ring) {
        hash = (hash ^ (owner == kNoMember ? 0 : ids[owner])) * 0x9e3779b9'7f4a7c15;
        hash ^= hash >> 32U;
    }
    return static_cast<std::uint32_t>(hash);
}

}  // namespace fairlead
