// The engine's end of a capture and the reader's, through the real socket and memory.
#include <algorithm>
#include <chrono>
#include <future>
#include <thread>

#include <sys/mman.h>
#include <sys/stat.h>

#include <gtest/gtest.h>

#include "ctl/capture/reader.h"
#include "dp/engine/capture_server.h"
#include "tests/unit/dp/engine/run_directory.h"

namespace fairlead::engine {
namespace {

using capture::Reader;
using capture::ReaderError;
using capture::Sighting;
using shm::CapturePoint;

shm::CaptureRequest all_points() {
    shm::CaptureRequest request;
    request.fingerprint = shm::kCaptureFingerprint;
    request.points = (1U << shm::kCapturePoints) - 1;
    request.snap_bytes = 256;
    request.seconds = 60;
    return request;
}

class Capture : public ::testing::Test {
  protected:
    Capture() {
        auto opened = CaptureServer::open(directory_.path(), 2, {"edge", "core"});
        EXPECT_TRUE(opened) << opened.error().message;
        server_ = std::move(*opened);
        for (std::uint32_t worker = 0; worker < 2; ++worker) {
            taps_.emplace_back(server_->order(worker),
                               WorkerIndex{static_cast<std::uint16_t>(worker)});
        }
    }
    // A turn of the control thread, and one of each worker.
    void turn() {
        server_->turn(now_);
        for (CaptureTap& tap : taps_) {
            tap.follow();
        }
    }
    // The reader blocks in its thread while the engine turns in this one.
    Result<Reader, ReaderError> start(const shm::CaptureRequest& request) {
        auto reader = std::async(std::launch::async,
                                 [&] { return Reader::start(directory_.path(), request); });
        while (reader.wait_for(std::chrono::milliseconds(1)) != std::future_status::ready) {
            turn();
        }
        turn();
        return reader.get();
    }
    // A burst of one packet through a worker's tap, which the engine then drops.
    static void drop(CaptureTap& tap, std::vector<std::uint8_t>& bytes, DropReason reason) {
        Packet packet{bytes.data(), static_cast<std::uint32_t>(bytes.size()), 0};
        Verdict verdict;
        verdict.reason = reason;
        std::array<rte_mbuf*, 1> mbufs{};
        tap.receive(PortIndex{1}, mbufs, {&packet, 1});
        bytes[0] = 0xEE;  // what a later stage does to it must not be seen
        tap.decide({&verdict, 1});
        tap.forget(PortIndex{1});
    }
    static std::vector<Sighting> take(Reader& reader) {
        std::vector<Sighting> seen;
        const Status taken = reader.take([&seen](const Sighting& sighting) {
            seen.push_back(sighting);
            return true;
        });
        EXPECT_TRUE(taken) << taken.error().message;
        return seen;
    }

    fairlead::testing::RunDirectory directory_;
    std::unique_ptr<CaptureServer> server_;
    std::vector<CaptureTap> taps_;
    CaptureServer::Clock::time_point now_{};
};

TEST_F(Capture, ShowsWhatArrivedAndWhyItWasDropped) {
    auto reader = start(all_points());
    ASSERT_TRUE(reader) << reader.error().message;
    EXPECT_EQ(reader->port_count(), 2U);
    EXPECT_EQ(reader->port_name(1), "core");
    std::vector<std::uint8_t> bytes(300, 0x11);
    drop(taps_[1], bytes, DropReason::kNoService);
    const auto seen = take(*reader);
    ASSERT_EQ(seen.size(), 2U);
    EXPECT_EQ(seen[0].point, CapturePoint::kReceive);
    EXPECT_EQ(seen[1].point, CapturePoint::kDrop);
    EXPECT_EQ(seen[1].reason, DropReason::kNoService);
    for (const Sighting& each : seen) {
        EXPECT_EQ(each.port, 1);
        EXPECT_EQ(each.worker, 1U);
        EXPECT_EQ(each.length, 300U);
        EXPECT_EQ(each.bytes.size(), 256U);
        EXPECT_EQ(each.bytes[0], 0x11);
    }
    EXPECT_TRUE(take(*reader).empty());
}

TEST_F(Capture, TheFilterDecidesAtTheWorker) {
    shm::CaptureRequest request = all_points();
    request.instructions = 4;  // the first byte is 0x22
    request.filter[0] = {0x30, 0, 0, 0};
    request.filter[1] = {0x15, 0, 1, 0x22};
    request.filter[2] = {0x06, 0, 0, 1};
    request.filter[3] = {0x06, 0, 0, 0};
    auto reader = start(request);
    ASSERT_TRUE(reader) << reader.error().message;
    for (const std::uint8_t first : std::array<std::uint8_t, 3>{0x11, 0x22, 0x33}) {
        std::vector<std::uint8_t> bytes(64, first);
        drop(taps_[0], bytes, DropReason::kTooBig);
    }
    const auto seen = take(*reader);
    ASSERT_EQ(seen.size(), 2U);
    EXPECT_EQ(seen[1].bytes[0], 0x22);
}

TEST_F(Capture, WhatFindsNoRoomIsCountedAndRoomComesBack) {
    auto reader = start(all_points());
    ASSERT_TRUE(reader) << reader.error().message;
    std::uint64_t seen = 0;
    std::uint64_t sent = 0;
    for (int round = 0; round < 5; ++round) {  // each fills the ring, and wraps it in the end
        for (int i = 0; i < 20'000; ++i) {
            std::vector<std::uint8_t> bytes(60 + static_cast<std::size_t>(i) % 200, 0x33);
            drop(taps_[0], bytes, DropReason::kNoBackend);
            sent += 2;
        }
        const std::uint64_t before = seen;
        seen += take(*reader).size();
        EXPECT_GT(seen - before, 20'000U);
        turn();  // the engine hears how far the reader is
    }
    const std::uint64_t lost =
        reader->lost(1, CapturePoint::kReceive) + reader->lost(1, CapturePoint::kDrop);
    EXPECT_GT(lost, 0U);
    EXPECT_EQ(seen + lost, sent);
    EXPECT_EQ(reader->lost(0, CapturePoint::kReceive), 0U);
}

// A worker that never waits beside a reader that never stops: every packet arrives whole or is
// counted.
TEST_F(Capture, NoPacketIsTornWhileAWorkerWritesOn) {
    auto reader = start(all_points());
    ASSERT_TRUE(reader) << reader.error().message;
    constexpr std::uint64_t kPackets = 200'000;
    std::thread worker([this] {
        for (std::uint64_t i = 0; i < kPackets; ++i) {
            std::vector<std::uint8_t> bytes(1 + i % 256, static_cast<std::uint8_t>(i));
            drop(taps_[0], bytes, DropReason::kNoBackend);
        }
    });
    std::uint64_t seen = 0;
    std::uint64_t torn = 0;
    const auto see = [&](const Sighting& sighting) {
        ++seen;
        const auto expected = static_cast<std::uint8_t>(sighting.length - 1);
        torn += std::count(sighting.bytes.begin(), sighting.bytes.end(), expected) !=
                        static_cast<std::ptrdiff_t>(sighting.length)
                    ? 1U
                    : 0U;
        return true;
    };
    const auto lost = [&reader] {
        return reader->lost(1, CapturePoint::kReceive) + reader->lost(1, CapturePoint::kDrop);
    };
    while (seen + lost() < 2 * kPackets) {
        ASSERT_TRUE(reader->take(see));
        server_->turn(now_);
    }
    worker.join();
    EXPECT_EQ(torn, 0U);
    EXPECT_EQ(seen + lost(), 2 * kPackets);
    EXPECT_GT(seen, 10'000U);
}

TEST_F(Capture, OneAtATimeAndTheNextAfterIt) {
    {
        auto first = start(all_points());
        ASSERT_TRUE(first);
        EXPECT_TRUE(taps_[0].is_on());
        const auto second = start(all_points());
        ASSERT_FALSE(second);
        EXPECT_EQ(second.error().problem, capture::Problem::kRefused);
        EXPECT_NE(second.error().message.find("another capture runs, of process"),
                  std::string::npos);
    }
    turn();
    turn();
    EXPECT_FALSE(taps_[0].is_on());
    EXPECT_TRUE(start(all_points()));
}

TEST_F(Capture, EndsByItself) {
    auto reader = start(all_points());
    ASSERT_TRUE(reader);
    EXPECT_TRUE(reader->wait(std::chrono::milliseconds(0)));
    now_ += std::chrono::seconds(61);
    turn();
    turn();
    EXPECT_FALSE(taps_[0].is_on());
    EXPECT_FALSE(reader->wait(std::chrono::milliseconds(0)));
    EXPECT_TRUE(take(*reader).empty());
}

TEST_F(Capture, WrongRequestsAreRefusedWithTheReason) {
    const auto refusal = [this](auto change) {
        shm::CaptureRequest request = all_points();
        change(request);
        const auto reader = start(request);
        EXPECT_FALSE(reader);
        return reader ? std::string() : reader.error().message;
    };
    EXPECT_NE(refusal([](auto& r) { r.fingerprint ^= 1; }).find("different versions"),
              std::string::npos);
    EXPECT_NE(refusal([](auto& r) { r.points = 8; }).find("no point"), std::string::npos);
    EXPECT_NE(refusal([](auto& r) { r.snap_bytes = 0; }).find("1 to 16384"), std::string::npos);
    EXPECT_NE(refusal([](auto& r) { r.seconds = 100'000; }).find("3600"), std::string::npos);
    EXPECT_NE(refusal([](auto& r) { r.instructions = 1; }).find("classic BPF"), std::string::npos);
    EXPECT_FALSE(taps_[0].is_on());
}

TEST_F(Capture, OnlyRootAndTheGroupMayConnect) {
    struct stat status {};
    ASSERT_EQ(::stat((directory_.path() + "/lbdp.sock").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0660U);
}

}  // namespace
}  // namespace fairlead::engine
