// Searches over the eight entries of a bucket at once, without a branch that depends on what stands
// in it: under a flood of random flows no branch predictor would get one right.
//
// For the bucket's owner alone: nobody else writes, so plain loads of the whole line are no race.
// With SSE2, which every x86-64 has; entry by entry elsewhere.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "dp/flow/flow_entry.h"
#include "dp/shm/flows.h"

namespace fairlead::flow_detail {

inline constexpr unsigned kNoPosition = 2 * shm::kFlowsPerBucket;

#if defined(__SSE2__)

[[nodiscard]] inline const __m128i* line_of(const shm::FlowBucket& bucket) noexcept {
    return static_cast<const __m128i*>(static_cast<const void*>(&bucket));
}

// Deadlines and states of the eight entries, 16 bits each.
[[nodiscard]] inline __m128i low_parts(const shm::FlowBucket& bucket) noexcept {
    const __m128i mask = _mm_set1_epi64x(0xFFF);
    const auto pair = [&](std::size_t i) {
        return _mm_and_si128(_mm_load_si128(line_of(bucket) + i), mask);
    };
    // Each packing keeps values below 2^15, and closes the gaps that the one before has left.
    return _mm_packs_epi32(_mm_packs_epi32(pair(0), pair(1)), _mm_packs_epi32(pair(2), pair(3)));
}

// A bit for each 16-bit part that is all ones.
[[nodiscard]] inline std::uint32_t bits_of(__m128i parts) noexcept {
    return static_cast<std::uint32_t>(
        _mm_movemask_epi8(_mm_packs_epi16(parts, _mm_setzero_si128())));
}

[[nodiscard]] inline __m128i is_in_state(__m128i parts, FlowState state) noexcept {
    return _mm_cmpeq_epi16(_mm_srli_epi16(parts, FlowEntry::kDeadlineBits),
                           _mm_set1_epi16(static_cast<std::int16_t>(state)));
}

// Ticks left of the entries in this state; of the others more than any can have.
[[nodiscard]] inline __m128i ticks_of(__m128i parts, FlowState state, FlowTick now) noexcept {
    const __m128i mask = _mm_set1_epi16(FlowEntry::kDeadlineMask);
    const __m128i ahead = _mm_and_si128(
        _mm_sub_epi16(parts, _mm_set1_epi16(static_cast<std::int16_t>(to_number(now)))), mask);
    const __m128i is_past = _mm_cmpgt_epi16(ahead, _mm_set1_epi16(kMaxIdleTicks));
    const __m128i left =
        _mm_sub_epi16(ahead, _mm_and_si128(is_past, _mm_set1_epi16(FlowEntry::kDeadlineMask + 1)));
    const __m128i counts = is_in_state(parts, state);
    return _mm_or_si128(_mm_and_si128(counts, left),
                        _mm_andnot_si128(counts, _mm_set1_epi16(0x7FFF)));
}

// A bit for each entry whose signature is this one, an empty one's 0 included.
[[nodiscard]] inline std::uint32_t matches_of(const shm::FlowBucket& bucket,
                                              std::uint32_t signature) noexcept {
    const __m128i wanted = _mm_set1_epi32(static_cast<int>(signature));
    const auto high_halves = [&bucket](std::size_t i) {  // of four entries
        const __m128i* const line = line_of(bucket);
        return _mm_castps_si128(_mm_shuffle_ps(_mm_castsi128_ps(_mm_load_si128(line + i)),
                                               _mm_castsi128_ps(_mm_load_si128(line + i + 1)),
                                               _MM_SHUFFLE(3, 1, 3, 1)));
    };
    return bits_of(_mm_packs_epi32(_mm_cmpeq_epi32(high_halves(0), wanted),
                                   _mm_cmpeq_epi32(high_halves(2), wanted)));
}

// A bit for each entry in this state.
[[nodiscard]] inline std::uint32_t entries_in(const shm::FlowBucket& bucket,
                                              FlowState state) noexcept {
    return bits_of(is_in_state(low_parts(bucket), state));
}

// The entry in this state that is nearest to its deadline or furthest past it: 0 to 7 in `first`, 8
// to 15 in `second`, kNoPosition if there is none.
[[nodiscard]] inline unsigned nearest_to_end(const shm::FlowBucket& first,
                                             const shm::FlowBucket& second,
                                             FlowState state,
                                             FlowTick now) noexcept {
    const __m128i left = ticks_of(low_parts(first), state, now);
    const __m128i right = ticks_of(low_parts(second), state, now);
    __m128i least = _mm_min_epi16(left, right);
    least = _mm_min_epi16(least, _mm_shuffle_epi32(least, _MM_SHUFFLE(1, 0, 3, 2)));
    least = _mm_min_epi16(least, _mm_shuffle_epi32(least, _MM_SHUFFLE(2, 3, 0, 1)));
    least = _mm_min_epi16(least, _mm_shufflelo_epi16(least, _MM_SHUFFLE(2, 3, 0, 1)));
    const auto value = static_cast<std::int16_t>(_mm_cvtsi128_si32(least));
    const __m128i wanted = _mm_set1_epi16(value);
    const std::uint32_t positions = bits_of(_mm_cmpeq_epi16(left, wanted)) |
                                    bits_of(_mm_cmpeq_epi16(right, wanted)) << shm::kFlowsPerBucket;
    return value == 0x7FFF ? kNoPosition : static_cast<unsigned>(std::countr_zero(positions));
}

#else

[[nodiscard]] inline FlowEntry entry_at(const shm::FlowBucket& bucket, std::size_t i) noexcept {
    return FlowEntry(bucket.entries[i].load(std::memory_order_relaxed));
}

[[nodiscard]] inline std::uint32_t matches_of(const shm::FlowBucket& bucket,
                                              std::uint32_t signature) noexcept {
    std::uint32_t matches = 0;
    for (std::size_t i = 0; i < shm::kFlowsPerBucket; ++i) {
        matches |= (entry_at(bucket, i).signature() == signature ? 1U : 0U) << i;
    }
    return matches;
}

[[nodiscard]] inline std::uint32_t entries_in(const shm::FlowBucket& bucket,
                                              FlowState state) noexcept {
    std::uint32_t found = 0;
    for (std::size_t i = 0; i < shm::kFlowsPerBucket; ++i) {
        found |= (entry_at(bucket, i).state() == state ? 1U : 0U) << i;
    }
    return found;
}

[[nodiscard]] inline unsigned nearest_to_end(const shm::FlowBucket& first,
                                             const shm::FlowBucket& second,
                                             FlowState state,
                                             FlowTick now) noexcept {
    unsigned nearest = kNoPosition;
    std::int32_t least = 0;
    for (unsigned i = 0; i < kNoPosition; ++i) {
        const FlowEntry entry =
            entry_at(i < shm::kFlowsPerBucket ? first : second, i % shm::kFlowsPerBucket);
        const std::int32_t left = entry.ticks_left(now);
        if (entry.state() == state && (nearest == kNoPosition || left < least)) {
            nearest = i;
            least = left;
        }
    }
    return nearest;
}

#endif

}  // namespace fairlead::flow_detail
