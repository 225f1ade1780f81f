// SipHash-2-4: a keyed 64-bit hash of a string.
//
// Source: Aumasson and Bernstein, "SipHash: a fast short-input PRF", INDOCRYPT 2012; section 2.2 is
// the algorithm, appendix A the test vectors. Two rounds for each 8-byte word, four at the end.
//
// Here it turns the names of backends into numbers (ctl/maglev/maglev.h). The same on every CPU:
// words are little-endian by definition. Thread: any; no state.
#pragma once

#include <cstdint>
#include <string_view>

namespace fairlead {

// The paper's 16-byte key, as two little-endian words.
struct SipKey {
    std::uint64_t k0 = 0;
    std::uint64_t k1 = 0;
};

[[nodiscard]] std::uint64_t siphash24(SipKey key, std::string_view text) noexcept;

}  // namespace fairlead
