#include "ctl/daemon/engine_watch.h"

#include <memory>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fairlead::daemon {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

// An engine of two workers on CPUs 2 and 3, and a daemon that looks every quarter of a second.
class EngineWatchTest : public testing::Test {
  protected:
    EngineWatchTest() : header_(std::make_unique<shm::TelemetryHeader>()), workers_(2) {
        header_->pid.store(77);
        header_->started_ns.store(1);
        header_->control_heartbeat.set(1);
        workers_[0].cpu.set(2);
        workers_[1].cpu.set(3);
        for (shm::WorkerBlock& worker : workers_) {
            worker.acknowledged.store(1);
        }
    }

    struct Turns {
        bool control = true;
        bool first = true;
        bool second = true;
    };
    void look(std::chrono::milliseconds after, Turns turns) {
        now_ += after;
        header_->control_heartbeat.add(turns.control ? 1 : 0);
        workers_[0].heartbeat.add(turns.first ? 1 : 0);
        workers_[1].heartbeat.add(turns.second ? 1 : 0);
        watch_.look(true, header_.get(), workers_, now_);
    }
    void look_for(std::chrono::milliseconds time, Turns turns) {
        for (; time > 0ms; time -= 250ms) {
            look(250ms, turns);
        }
    }
    [[nodiscard]] std::string problem() const {
        const std::vector<Problem> problems = watch_.problems();
        return problems.size() == 1 && problems[0].is_critical ? problems[0].sentence : "";
    }

    std::unique_ptr<shm::TelemetryHeader> header_;
    std::vector<shm::WorkerBlock> workers_;
    EngineWatch watch_;
    EngineWatch::Clock::time_point now_{1h};
};

TEST_F(EngineWatchTest, AnEngineWhoseThreadsTurnForwards) {
    look_for(5s, {});
    EXPECT_EQ(watch_.state(), EngineState::kForwarding);
    EXPECT_TRUE(watch_.problems().empty());
}

TEST_F(EngineWatchTest, AWorkerThatStandsStillIsNamedWithinTwoSeconds) {
    look_for(1s, {});
    look_for(1250ms, {.second = false});
    EXPECT_EQ(watch_.state(), EngineState::kForwarding);
    look_for(500ms, {.second = false});
    EXPECT_EQ(watch_.state(), EngineState::kStalled);
    EXPECT_FALSE(watch_.is_worker_stalled(0));
    EXPECT_TRUE(watch_.is_worker_stalled(1));
    look_for(2250ms, {.second = false});
    EXPECT_THAT(problem(), HasSubstr("worker 1 on CPU 3 has stood still for 4 s"));
    look(250ms, {});
    EXPECT_EQ(watch_.state(), EngineState::kForwarding);
    EXPECT_TRUE(watch_.problems().empty());
}

TEST_F(EngineWatchTest, ARoundIsOneInWhichEveryWorkerHasTurned) {
    look(250ms, {});
    const std::uint64_t first = watch_.rounds();
    look(1ms, {.second = false});
    look(1ms, {.second = false});
    EXPECT_EQ(watch_.rounds(), first) << "one worker alone is no round";
    look(1ms, {.first = false});
    EXPECT_EQ(watch_.rounds(), first + 1) << "each has turned since, if not at once";
    look(1ms, {.first = false, .second = false});
    EXPECT_EQ(watch_.rounds(), first + 1);
    look(1ms, {});
    EXPECT_EQ(watch_.rounds(), first + 2);
}

TEST_F(EngineWatchTest, TheRoundsOfAnEngineThatIsGoneDoNotGoOn) {
    look_for(1s, {});
    const std::uint64_t before = watch_.rounds();
    EXPECT_EQ(watch_.started_ns(), 1);
    watch_.look(false, nullptr, {}, now_);
    EXPECT_EQ(watch_.rounds(), before);
    EXPECT_EQ(watch_.started_ns(), 0);
    header_->started_ns.store(2);
    look(1ms, {});
    EXPECT_EQ(watch_.started_ns(), 2);
}

TEST_F(EngineWatchTest, WorkersThatStandStillAreNamed) {
    look_for(1s, {});
    EXPECT_EQ(watch_.still_workers(), "");
    look_for(2s, {.second = false});
    EXPECT_EQ(watch_.still_workers(), "worker 1 on CPU 3");
    look_for(2s, {.first = false, .second = false});
    EXPECT_EQ(watch_.still_workers(), "the engine (lbdp, pid 77)");
}

TEST_F(EngineWatchTest, TheControlThreadThatStandsStillIsAProblemToo) {
    look_for(1s, {});
    look_for(2s, {.control = false});
    EXPECT_EQ(watch_.state(), EngineState::kStalled);
    EXPECT_TRUE(watch_.is_control_stalled());
    EXPECT_THAT(problem(), HasSubstr("control thread"));
}

TEST_F(EngineWatchTest, AnEngineThatIsStoppedIsOneProblem) {
    look_for(1s, {});
    look_for(2s, {.control = false, .first = false, .second = false});
    EXPECT_EQ(watch_.state(), EngineState::kStalled);
    EXPECT_THAT(problem(), HasSubstr("nothing is forwarded"));
    EXPECT_THAT(problem(), HasSubstr("kill -CONT 77"));
}

TEST_F(EngineWatchTest, ADaemonThatWasItselfAwayTakesNobodyForHung) {
    look_for(1s, {});
    // It slept for a minute, and so did the machine: nothing has moved at its first look.
    look(60s, {.control = false, .first = false, .second = false});
    EXPECT_EQ(watch_.state(), EngineState::kForwarding);
    // Questions that waited for it all come at once, and are looks as well.
    for (int i = 0; i < 100; ++i) {
        look(1ms, {.control = false, .first = false, .second = false});
    }
    EXPECT_EQ(watch_.state(), EngineState::kForwarding);
    look_for(5s, {});
    EXPECT_EQ(watch_.state(), EngineState::kForwarding);
}

TEST_F(EngineWatchTest, ADaemonThatStartsBesideAHungEngineFindsIt) {
    workers_[0].heartbeat.set(1'000);
    workers_[1].heartbeat.set(1'000);
    look_for(2s, {.control = false, .first = false, .second = false});
    EXPECT_EQ(watch_.state(), EngineState::kStalled);
}

TEST_F(EngineWatchTest, AnEngineBeforeItsFirstTablesDoesNotForward) {
    workers_[1].acknowledged.store(0);
    look_for(5s, {});
    EXPECT_EQ(watch_.state(), EngineState::kStarting);
    EXPECT_THAT(problem(), HasSubstr("forwards nothing yet"));
}

TEST_F(EngineWatchTest, AnEngineThatOpensItsPortsIsNotHung) {
    header_->control_heartbeat.set(0);
    workers_[0].acknowledged.store(0);
    workers_[1].acknowledged.store(0);
    look_for(5s, {.control = false, .first = false, .second = false});
    EXPECT_EQ(watch_.state(), EngineState::kStarting);
}

TEST_F(EngineWatchTest, TheNextEngineIsJudgedByItself) {
    look_for(1s, {});
    look_for(2s, {.control = false, .first = false, .second = false});
    EXPECT_EQ(watch_.state(), EngineState::kStalled);
    header_->started_ns.store(2);
    look(250ms, {});
    EXPECT_EQ(watch_.state(), EngineState::kForwarding);
}

TEST_F(EngineWatchTest, WhatCannotBeReadIsNotTakenForForwarding) {
    watch_.look(false, header_.get(), workers_, now_);
    EXPECT_EQ(watch_.state(), EngineState::kDown);
    watch_.look(true, nullptr, {}, now_);
    EXPECT_EQ(watch_.state(), EngineState::kUnreadable);
    watch_.look(true, header_.get(), {}, now_);
    EXPECT_EQ(watch_.state(), EngineState::kStarting) << "it has not said how many workers it has";
}

}  // namespace
}  // namespace fairlead::daemon
