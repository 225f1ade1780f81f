#include "dp/engine/eal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fairlead::engine {
namespace {

using ::testing::Contains;
using ::testing::IsSupersetOf;
using ::testing::Not;

EalOptions options(bool uses_hugepages) {
    return {.uses_hugepages = uses_hugepages,
            .memory_bytes = std::uint64_t{48} << 20U,
            .control_cpus = {0, 2, 3}};
}

TEST(EalArguments, WithoutHugePagesBoundTheMemoryAndShareNoFile) {
    const std::vector<std::string> arguments = eal_arguments(options(false));
    EXPECT_THAT(arguments, IsSupersetOf({"--no-huge", "--no-shconf", "-m", "48", "--no-pci"}));
    EXPECT_THAT(arguments, Not(Contains("--in-memory")));  // DPDK 22.11 refuses it with --no-huge
}

TEST(EalArguments, WithHugePagesNeedNoMount) {
    const std::vector<std::string> arguments = eal_arguments(options(true));
    EXPECT_THAT(arguments, Contains("--in-memory"));
    EXPECT_THAT(arguments, Not(Contains("--no-huge")));
    EXPECT_THAT(arguments, Not(Contains("-m")));
}

TEST(EalArguments, LetTheControlThreadFloatOverItsCpus) {
    EXPECT_THAT(eal_arguments(options(false)), IsSupersetOf({"--lcores", "0@(0,2-3)"}));
}

}  // namespace
}  // namespace fairlead::engine
