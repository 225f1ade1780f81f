#include "ctl/daemon/drop_watch.h"

#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fairlead::daemon {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class DropWatchTest : public testing::Test {
  protected:
    void drop(DropReason reason, const std::string& service, std::uint64_t packets) {
        dropped_[static_cast<std::size_t>(reason)] += packets;
        services_[service][static_cast<std::size_t>(reason)] += packets;
    }
    std::vector<Problem> look(std::chrono::seconds after) {
        now_ += after;
        watch_.look({.dropped = dropped_,
                     .of_services =
                         [this] {
                             ++asked_;
                             return services_;
                         },
                     .is_new_list = std::exchange(is_new_list_, false),
                     .no_socket = no_socket_},
                    now_);
        return watch_.problems(now_);
    }

    DropWatch watch_;
    DropWatch::Totals dropped_{};
    std::map<std::string, DropWatch::Totals> services_{{"api", {}}, {"portal", {}}};
    DropWatch::ByName no_socket_;
    bool is_new_list_ = false;
    int asked_ = 0;
    DropWatch::Clock::time_point now_{1h};
};

TEST_F(DropWatchTest, WhatWasDroppedBeforeIsNoProblem) {
    drop(DropReason::kNoBackend, "portal", 1'000);
    EXPECT_THAT(look(0s), IsEmpty());
    EXPECT_THAT(look(1s), IsEmpty());
}

TEST_F(DropWatchTest, WhatRisesIsAProblemWithItsServicesAndGoesSomeSecondsAfter) {
    drop(DropReason::kNoNeighbor, "portal", 1'000);
    look(0s);
    drop(DropReason::kNoNeighbor, "portal", 3);
    drop(DropReason::kNoNeighbor, "api", 4);
    auto problems = look(1s);
    ASSERT_THAT(problems, SizeIs(1));
    EXPECT_THAT(problems[0].sentence,
                HasSubstr("packets of api (4), portal (3) are dropped (no_neighbor, 7 so far): The "
                          "MAC address of the backend"));
    EXPECT_FALSE(problems[0].is_critical);
    drop(DropReason::kNoNeighbor, "portal", 2);
    problems = look(4s);
    ASSERT_THAT(problems, SizeIs(1));
    EXPECT_THAT(problems[0].sentence, HasSubstr("portal (5), api (4)"));
    EXPECT_THAT(look(4s), SizeIs(1));
    EXPECT_THAT(look(1s), IsEmpty());
    drop(DropReason::kNoNeighbor, "api", 1);
    problems = look(60s);
    ASSERT_THAT(problems, SizeIs(1));
    EXPECT_THAT(problems[0].sentence, HasSubstr("packets of api (1) are dropped"));
}

TEST_F(DropWatchTest, DropsThatTheInternetBringsAreNone) {
    look(0s);
    drop(DropReason::kNoService, "portal", 100);
    drop(DropReason::kTruncated, "portal", 100);
    EXPECT_THAT(look(1s), IsEmpty());
    EXPECT_EQ(asked_, 1) << "services are asked only where something rises";
}

TEST_F(DropWatchTest, AServiceThatComesHasNoShareInWhatItsNumberCountedBefore) {
    look(0s);
    services_["late"][static_cast<std::size_t>(DropReason::kNoBackend)] = 1'000;
    is_new_list_ = true;
    EXPECT_THAT(look(1s), IsEmpty());
    drop(DropReason::kNoBackend, "late", 2);
    const auto problems = look(1s);
    ASSERT_THAT(problems, SizeIs(1));
    EXPECT_THAT(problems[0].sentence, HasSubstr("packets of late (2) are dropped"));
}

TEST_F(DropWatchTest, CountersThatBeginAnewAreNoRise) {
    drop(DropReason::kNoBackend, "portal", 1'000);
    look(0s);
    dropped_ = {};
    services_["portal"] = {};
    EXPECT_THAT(look(1s), IsEmpty());
    drop(DropReason::kNoBackend, "portal", 2);
    EXPECT_THAT(look(1s), SizeIs(1));
}

TEST_F(DropWatchTest, PacketsWithoutASocketCountOnlyBetweenLooksAtAnEngineThatForwards) {
    no_socket_ = {{"edge", 10}};
    look(0s);
    no_socket_.clear();  // it restarts
    look(1s);
    no_socket_ = {{"edge", 500}};
    EXPECT_THAT(look(1s), IsEmpty());
    no_socket_ = {{"edge", 503}};
    const auto problems = look(1s);
    ASSERT_THAT(problems, SizeIs(1));
    EXPECT_THAT(problems[0].sentence, HasSubstr("port edge: packets for VIPs are dropped"));
    EXPECT_THAT(problems[0].sentence, HasSubstr("no_socket, 3 so far"));
    EXPECT_THAT(look(5s), IsEmpty());
}

}  // namespace
}  // namespace fairlead::daemon
