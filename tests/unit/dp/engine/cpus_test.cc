#include "dp/engine/cpus.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fairlead::engine {
namespace {

using ::testing::HasSubstr;

TEST(Cpus, AreDescribedAsRanges) {
    EXPECT_EQ(describe_cpus({}), "");
    EXPECT_EQ(describe_cpus({3}), "3");
    EXPECT_EQ(describe_cpus({0, 1, 2, 3, 6}), "0-3,6");
    EXPECT_EQ(describe_cpus({0, 2, 4, 5}), "0,2,4-5");
}

TEST(Cpus, ThatAreAllowedAreAcceptedInAnyOrder) {
    EXPECT_TRUE(check_cpus({3, 1}, {0, 1, 2, 3}));
}

TEST(Cpus, ThatAreNotThereAreNamedWithThoseThatAre) {
    const Status status = check_cpus({0, 7}, {0, 1});
    ASSERT_FALSE(status);
    EXPECT_THAT(status.error().message, HasSubstr("CPU 7 "));
    EXPECT_THAT(status.error().message, HasSubstr("may use 0-1"));
}

TEST(Cpus, NamedTwiceAreRefused) {
    const Status status = check_cpus({1, 0, 1}, {0, 1});
    ASSERT_FALSE(status);
    EXPECT_THAT(status.error().message, HasSubstr("CPU 1 twice"));
}

TEST(Cpus, OfTheControlThreadAreThoseThatNoWorkerHas) {
    EXPECT_EQ(control_cpus({1, 2}, {0, 1, 2, 3}), (std::vector<std::uint32_t>{0, 3}));
}

TEST(Cpus, OfTheControlThreadAreAllWhereTheWorkersHaveAll) {
    EXPECT_EQ(control_cpus({0, 1}, {0, 1}), (std::vector<std::uint32_t>{0, 1}));
}

TEST(Cpus, ThatThisProcessMayUseAreFound) {
    EXPECT_FALSE(allowed_cpus().empty());
}

}  // namespace
}  // namespace fairlead::engine
