#include "ctl/maglev/siphash.h"

#include <bit>
#include <cstddef>

namespace fairlead {

namespace {

struct State {
    std::uint64_t v0;
    std::uint64_t v1;
    std::uint64_t v2;
    std::uint64_t v3;

    // Figure 2.1 of the paper.
    void round() noexcept {
        v0 += v1;
        v2 += v3;
        v1 = std::rotl(v1, 13) ^ v0;
        v3 = std::rotl(v3, 16) ^ v2;
        v0 = std::rotl(v0, 32);
        v2 += v1;
        v0 += v3;
        v1 = std::rotl(v1, 17) ^ v2;
        v3 = std::rotl(v3, 21) ^ v0;
        v2 = std::rotl(v2, 32);
    }

    void absorb(std::uint64_t word) noexcept {
        v3 ^= word;
        round();
        round();
        v0 ^= word;
    }
};

// Up to eight bytes as a little-endian number.
std::uint64_t little_endian(std::string_view bytes) noexcept {
    std::uint64_t word = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        word |= std::uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
    }
    return word;
}

}  // namespace

std::uint64_t siphash24(SipKey key, std::string_view text) noexcept {
    // The constants spell "somepseudorandomlygeneratedbytes".
    State state{key.k0 ^ 0x736f6d65'70736575,
                key.k1 ^ 0x646f7261'6e646f6d,
                key.k0 ^ 0x6c796765'6e657261,
                key.k1 ^ 0x74656462'79746573};
    std::string_view rest = text;
    while (rest.size() >= 8) {
        state.absorb(little_endian(rest.substr(0, 8)));
        rest.remove_prefix(8);
    }
    // The last word ends in the length modulo 256, so that trailing zeros count.
    state.absorb(little_endian(rest) | std::uint64_t{text.size() & 0xFFU} << 56U);
    state.v2 ^= 0xFF;
    for (int i = 0; i < 4; ++i) {
        state.round();
    }
    return state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
}

}  // namespace fairlead
