// The walk over TCP options, in memory that ends where the header does, for the sanitizers. What
// the program makes of it is tests/bpf/clamp_test.cc's subject.
#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "tests/unit/bpf/include/clamp_decide_c.h"

namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr std::size_t kFixed = 20;
constexpr int kMalformed = -1;

int find_in(const Bytes& options) {
    Bytes header(kFixed, 0xEE);
    header.insert(header.end(), options.begin(), options.end());
    return clamp_find(header.data(), static_cast<std::uint32_t>(header.size()));
}

// The same by a plain walk that goes from option to option.
int find_plainly(const Bytes& options) {
    std::size_t at = 0;
    while (at < options.size() && options[at] != 0) {
        if (options[at] == 1) {
            ++at;
            continue;
        }
        if (at + 1 >= options.size() || options[at + 1] < 2 ||
            at + options[at + 1] > options.size()) {
            return kMalformed;
        }
        if (options[at] == 2) {
            return options[at + 1] == 4 ? static_cast<int>(kFixed + at + 2) : kMalformed;
        }
        at += options[at + 1];
    }
    return 0;
}

TEST(ClampDecide, FindsTheMssWhereverItStands) {
    EXPECT_EQ(find_in({2, 4, 5, 0xB4}), 22);
    EXPECT_EQ(find_in({1, 2, 4, 5, 0xB4, 1, 1, 1}), 23);
    EXPECT_EQ(find_in({4, 2, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 2, 4, 5, 0xB4}), 34);
    Bytes last(40, 1);
    last.at(36) = 2;
    last.at(37) = 4;
    EXPECT_EQ(find_in(last), 58);
}

TEST(ClampDecide, SaysThatThereIsNone) {
    EXPECT_EQ(find_in({}), 0);
    EXPECT_EQ(find_in(Bytes(40, 1)), 0);
    EXPECT_EQ(find_in({0, 2, 4, 5}), 0) << "behind the end of the options is nothing";
    EXPECT_EQ(find_in({3, 3, 7, 0}), 0);
}

TEST(ClampDecide, RefusesWhatReachesOutOfTheHeader) {
    EXPECT_EQ(find_in({1, 1, 1, 2}), kMalformed);
    EXPECT_EQ(find_in({1, 2, 4, 5}), kMalformed);
    EXPECT_EQ(find_in({8, 0, 1, 1}), kMalformed);
    EXPECT_EQ(find_in({8, 1, 1, 1}), kMalformed);
    EXPECT_EQ(find_in({8, 255, 1, 1}), kMalformed);
    EXPECT_EQ(find_in({2, 3, 5, 1}), kMalformed) << "an MSS of another length";
    EXPECT_EQ(find_in({2, 5, 5, 1, 1, 0, 0, 0}), kMalformed);
    const Bytes header(60, 1);
    EXPECT_EQ(clamp_find(header.data(), 19), kMalformed);
    EXPECT_EQ(clamp_find(header.data(), 64), kMalformed);
}

TEST(ClampDecide, SeesWhatAPlainWalkSeesInAnyBytes) {
    std::mt19937 random(9293);  // the same options every time
    int found = 0;
    for (int round = 0; round < 400'000; ++round) {
        Bytes options(4 * (random() % 11));
        std::generate(options.begin(), options.end(), [&random] {
            const auto byte = static_cast<std::uint8_t>(random());
            return random() % 4 == 0 ? byte : static_cast<std::uint8_t>(byte % 6);
        });
        const int at = find_in(options);
        ASSERT_EQ(at, find_plainly(options)) << "in round " << round;
        found += at > 0 ? 1 : 0;
    }
    EXPECT_GT(found, 5'000);
}

}  // namespace
