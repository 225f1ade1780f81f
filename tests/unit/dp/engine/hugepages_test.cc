#include "dp/engine/hugepages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fairlead::engine {
namespace {

using ::testing::HasSubstr;

constexpr std::uint64_t kMegabyte = 1U << 20U;
constexpr std::uint64_t kGigabyte = 1U << 30U;

// 10 pages of 2 MB, of which 6 are taken, and one free page of 1 GB where asked for.
std::vector<HugePagePool> pools(bool with_large = false) {
    std::vector<HugePagePool> result{
        {.page_bytes = 2 * kMegabyte, .total_pages = 10, .free_pages = 4, .mount = {}}};
    if (with_large) {
        result.push_back({.page_bytes = kGigabyte, .total_pages = 1, .free_pages = 1, .mount = {}});
    }
    return result;
}

TEST(HugePages, AreTakenWhereThereAreEnough) {
    for (const HugePageUse wanted : {HugePageUse::kAuto, HugePageUse::kRequired}) {
        const auto choice = choose_hugepages(wanted, pools(), 8 * kMegabyte);
        ASSERT_TRUE(choice);
        EXPECT_TRUE(choice->uses_hugepages);
    }
}

TEST(HugePages, OfAnySizeWillDo) {
    const auto choice = choose_hugepages(HugePageUse::kRequired, pools(true), 48 * kMegabyte);
    ASSERT_TRUE(choice);
    EXPECT_TRUE(choice->uses_hugepages);
}

TEST(HugePages, AreNotPutTogetherFromTwoSizes) {
    const auto choice =
        choose_hugepages(HugePageUse::kAuto, pools(true), kGigabyte + 2 * kMegabyte);
    ASSERT_TRUE(choice);
    EXPECT_FALSE(choice->uses_hugepages);
}

TEST(HugePages, AreDoneWithoutWhereAutoFindsTooFewAndTheReasonIsGiven) {
    const auto choice = choose_hugepages(HugePageUse::kAuto, pools(), 9 * kMegabyte);
    ASSERT_TRUE(choice);
    EXPECT_FALSE(choice->uses_hugepages);
    EXPECT_THAT(choice->reason, HasSubstr("10 MB of huge pages are needed and 8 MB are free"));
}

TEST(HugePages, ThatAreRequiredAndMissingAreAnErrorThatNamesTheFix) {
    const auto choice = choose_hugepages(HugePageUse::kRequired, pools(), 9 * kMegabyte);
    ASSERT_FALSE(choice);
    EXPECT_THAT(choice.error().message,
                HasSubstr("sysctl vm.nr_hugepages=11"));  // 6 in use, 5 more
    EXPECT_FALSE(choose_hugepages(HugePageUse::kRequired, {}, 1));
}

TEST(HugePages, AreLeftAloneWhereNobodyWantsThem) {
    const auto choice = choose_hugepages(HugePageUse::kNone, pools(true), kMegabyte);
    ASSERT_TRUE(choice);
    EXPECT_FALSE(choice->uses_hugepages);
}

}  // namespace
}  // namespace fairlead::engine
