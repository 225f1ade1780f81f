#include "ctl/agent/run_lock.h"

#include <filesystem>
#include <optional>
#include <string>
#include <utility>

#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fairlead::agent {
namespace {

using testing::HasSubstr;

class AgentRunLock : public testing::Test {
  protected:
    void TearDown() override { std::filesystem::remove_all(folder_); }
    std::filesystem::path folder_ = testing::TempDir() + "agent_lock." + std::to_string(getpid());
};

TEST_F(AgentRunLock, ASecondIsRefusedWithTheFirstOnesProcess) {
    const auto first = RunLock::take(folder_ / "made" / "deep");
    ASSERT_TRUE(first) << first.error().message;
    const auto second = RunLock::take(folder_ / "made" / "deep");
    ASSERT_FALSE(second);
    EXPECT_THAT(second.error().message, HasSubstr("process " + std::to_string(getpid())));
    EXPECT_TRUE(RunLock::take(folder_ / "other"));
}

TEST_F(AgentRunLock, TheLockGoesWithItsObject) {
    {
        auto first = RunLock::take(folder_);
        ASSERT_TRUE(first);
        const RunLock moved = std::move(*first);
        EXPECT_FALSE(RunLock::take(folder_));
    }
    EXPECT_TRUE(RunLock::take(folder_));
}

TEST_F(AgentRunLock, ADirectoryThatCannotBeMadeIsAnError) {
    const auto lock = RunLock::take("/proc/no/such/place");
    ASSERT_FALSE(lock);
    EXPECT_THAT(lock.error().message, HasSubstr("/proc/no/such/place"));
}

}  // namespace
}  // namespace fairlead::agent
