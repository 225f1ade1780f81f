// Builds a service's Maglev lookup table: the ring that says which backend owns which slot.
//
// Source: Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer", NSDI 2016,
// section 3.4. Thread: any; no state. Memory: the caller's spans are only read during the call.
//
// Theory of operation
//
// Ring. M slots, M a prime. Each backend visits all slots in an order of its own: it starts at
// `offset` and goes on in steps of `skip`, modulo M. Backends take turns; at its turn a backend
// takes the first slot of its order that is still free, until every slot is owned.
//
// Order of visits. From the backend's name alone:
//
//     offset = siphash24("fairlead: offset", name) mod M
//     skip   = siphash24("fairlead:   skip", name) mod (M - 1) + 1          (the keys are 16 ASCII
//     bytes)
//
// Shares. Of M slots a backend of weight w among weights that sum up to W owns floor(M w / W). The
// slots left over go one each to the backends with the largest remainders of that division; of
// equal ones to those whose names come first, byte by byte. Weight 0 owns nothing.
//
// Turns. Turn number t (from 0) of a backend of weight w comes at time t / w. Of turns at the same
// time the larger weight goes first, then the name that comes first. With equal weights these are
// the paper's rounds. The order of two backends' turns depends on those two only, so that a third
// one that comes or goes does not disturb it.
//
// Invariants.
//   1. Each share is exact to within one slot, and all M slots are owned, unless all weights are 0.
//   2. The ring depends on the set of (name, weight) and M only: not on the order of the input, nor
//   on
//      earlier rings. All balancers with the same set build the same ring.
//   3. Weights count by their ratio: 1, 2 and 10, 20 build the same ring.
//
// Worked example (the paper's table 1): M = 7, visits B0 (3, 4), B1 (0, 2), B2 (3, 1), weights
// equal. The orders are B0: 3 0 4 1 5 2 6, B1: 0 2 4 6 1 3 5, B2: 3 4 5 6 0 1 2. B0 takes 3, B1
// takes 0, B2 takes 4 (3 is gone); B0 takes 1, B1 takes 2, B2 takes 5; B0 takes 6. The ring is 1 0
// 1 0 2 2 0.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "dp/base/ids.h"
#include "dp/base/result.h"

namespace fairlead {

inline constexpr std::uint32_t kDefaultRingSize = 65'537;
// Finer shares and less disruption, for ten times the memory and build time.
inline constexpr std::uint32_t kLargeRingSize = 655'373;
// So that a step cannot overflow 32 bits, and a share not 64.
inline constexpr std::uint32_t kMaxRingSize = 1U << 24U;

// A slot of a ring without backends.
inline constexpr std::uint16_t kNoMember = to_number(kNoBackendIndex);

struct MaglevMember {
    std::string_view name;
    std::uint32_t weight = 1;
};

// The order in which a member visits the slots. Requires offset < M and 0 < skip < M.
struct MaglevVisits {
    std::uint32_t offset = 0;
    std::uint32_t skip = 1;
};

// One entry a slot: the position of its owner in the input, or kNoMember.
using MaglevRing = std::vector<std::uint16_t>;

[[nodiscard]] MaglevVisits maglev_visits(std::string_view name, std::uint32_t ring_size) noexcept;

// The ring of a set of backends. No backend, or weights that are all 0, give a ring of kNoMember
// only. Errors: two members of one name; more than 65,535 members; a size that is no prime, or too
// large.
[[nodiscard]] Result<MaglevRing> build_maglev_ring(std::span<const MaglevMember> members,
                                                   std::uint32_t ring_size = kDefaultRingSize);

// The slots that each member gets. Requires names in rising order; `weights` is theirs.
[[nodiscard]] std::vector<std::uint32_t> maglev_shares(std::span<const std::uint32_t> weights,
                                                       std::uint32_t ring_size);

// The same from visits that are given, for members whose names rise with their position: what
// build_maglev_ring() does once the names are sorted and hashed. Requires visits.size() ==
// weights.size() <= 65,535, and a prime ring_size <= kMaxRingSize.
[[nodiscard]] MaglevRing fill_maglev_ring(std::span<const MaglevVisits> visits,
                                          std::span<const std::uint32_t> weights,
                                          std::uint32_t ring_size);

// 32 bits that are equal on all balancers whose rings send every slot to the same backend name,
// whatever the positions; published so that a fleet can be compared. Requires a ring that was built
// from these members.
//
//     h = M;  for each slot: h = (h xor id) * G mod 2^64, h = h xor h >> 32;  the result is the low
//     half of h
//
// where id is siphash24("fairlead: offset", name of the owner), or 0 without one, and G =
// 0x9e3779b97f4a7c15.
[[nodiscard]] std::uint32_t maglev_fingerprint(std::span<const MaglevMember> members,
                                               std::span<const std::uint16_t> ring);

}  // namespace fairlead
