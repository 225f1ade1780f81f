#include "ctl/maglev/siphash.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace fairlead {
namespace {

// The key of the paper's appendix A: the bytes 00 01 .. 0f.
constexpr SipKey kPaperKey{0x07060504'03020100, 0x0f0e0d0c'0b0a0908};

std::string counting_bytes(std::size_t length) {
    std::string bytes;
    for (std::size_t i = 0; i < length; ++i) {
        bytes.push_back(static_cast<char>(i));
    }
    return bytes;
}

TEST(SipHash, GivesThePapersExample) {
    EXPECT_EQ(siphash24(kPaperKey, counting_bytes(15)), 0xa129ca61'49be45e5);
}

// From the 64 vectors that the authors published beside the paper, with the same key: every length
// of the last word, whole words only, and the longest.
TEST(SipHash, GivesTheAuthorsVectors) {
    const std::vector<std::pair<std::size_t, std::uint64_t>> vectors = {
        {0, 0x726fdb47'dd0e0e31},
        {1, 0x74f839c5'93dc67fd},
        {2, 0x0d6c8009'd9a94f5a},
        {3, 0x85676696'd7fb7e2d},
        {4, 0xcf2794e0'277187b7},
        {5, 0x18765564'cd99a68d},
        {6, 0xcbc9466e'58fee3ce},
        {7, 0xab0200f5'8b01d137},
        {8, 0x93f5f579'9a932462},
        {9, 0x9e0082df'0ba9e4b0},
        {16, 0x3f2acc7f'57c29bdb},
        {63, 0x958a324c'eb064572},
    };
    for (const auto& [length, hash] : vectors) {
        EXPECT_EQ(siphash24(kPaperKey, counting_bytes(length)), hash) << length << " bytes";
    }
}

// This value is OpenSSL's (`openssl mac ... SIPHASH`).
TEST(SipHash, TakesBytesAbove127AsUnsigned) {
    EXPECT_EQ(siphash24(kPaperKey, "caf\xc3\xa9 \xff\xfe\x80\x81"), 0xe69be00e'9dc1b469);
}

}  // namespace
}  // namespace fairlead
