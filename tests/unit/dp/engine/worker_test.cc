// A worker's loop in a thread of its own, over DPDK's ring device: what a test puts into one ring
// arrives, and what the worker sends lies in the other. Real buffers, real tables, no kernel.
#include "dp/engine/worker.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <rte_ring.h>

#include "dp/base/burst.h"
#include "dp/engine/packet_pool.h"
#include "tests/support/lending_rig.h"
#include "tests/unit/dp/engine/test_eal.h"

namespace fairlead::engine {
namespace {

using testing::Bytes;
using testing::LendingRig;
using testing::make_frame;

constexpr std::uint32_t kBuffers = 1'023;
constexpr std::uint16_t kBufferBytes = 2'176;
constexpr auto kDeadline = std::chrono::seconds(10);
constexpr auto kAnySocket = static_cast<unsigned>(SOCKET_ID_ANY);

struct RingFree {
    void operator()(rte_ring* ring) const { rte_ring_free(ring); }
};
using Ring = std::unique_ptr<rte_ring, RingFree>;

Ring make_ring(const std::string& name, unsigned places) {
    Ring ring(rte_ring_create(name.c_str(), places, SOCKET_ID_ANY, RING_F_EXACT_SZ));
    EXPECT_NE(ring, nullptr);
    return ring;
}

class WorkerLoop : public ::testing::Test {
  protected:
    // The device's transmit ring has this many places.
    void start(unsigned transmit_places = 512) {
        start_test_eal();
        static int number = 0;
        const std::string name = "worker" + std::to_string(number++);
        const Result<PacketPool> pool = make_packet_pool(name, {kBuffers, kBufferBytes}, {}, false);
        ASSERT_TRUE(pool) << pool.error().message;
        pool_ = *pool;
        received_ = make_ring(name + "-rx", 512);
        sent_ = make_ring(name + "-tx", transmit_places);
        std::array<rte_ring*, 1> receive{received_.get()};
        std::array<rte_ring*, 1> transmit{sent_.get()};
        const int device =
            rte_eth_from_rings(name.c_str(), receive.data(), 1, transmit.data(), 1, kAnySocket);
        ASSERT_GE(device, 0);
        device_ = static_cast<std::uint16_t>(device);
        const rte_eth_conf plain{};
        ASSERT_EQ(rte_eth_dev_configure(device_, 1, 1, &plain), 0);
        ASSERT_EQ(rte_eth_rx_queue_setup(device_, 0, 512, kAnySocket, nullptr, pool_.pool), 0);
        ASSERT_EQ(rte_eth_tx_queue_setup(device_, 0, 512, kAnySocket, nullptr), 0);
        ASSERT_EQ(rte_eth_dev_start(device_), 0);
        run(std::make_unique<WorkerPort>(device_, std::uint16_t{0}));
    }
    // The port is the fixture's: the worker looks at it until the fixture has joined it.
    void run(std::unique_ptr<WorkerPort> port) {
        port_ = std::move(port);
        follow_.tables = rig_.context.tables;
        WorkerSetup setup;
        setup.idle = Idle::kYield;
        setup.ports = {port_.get()};
        const std::array<std::string, 1> names{"edge"};
        std::copy_n(
            names[0].begin(), names[0].size(), rig_.tables.snapshot().port_names[0].begin());
        setup.port_numbers = PortNumbers(names);
        setup.counters = rig_.context.counters;
        setup.fragments = &rig_.fragments;
        setup.pool = pool_.pool;
        setup.follow = &follow_;
        setup.capture = &capture_;
        worker_ = std::make_unique<Worker>(
            setup, FlowTable(rig_.buckets, *setup.counters.worker, setup.counters.backends));
        thread_ = std::thread([this] {
            EXPECT_EQ(rte_thread_register(), 0);
            worker_->run();
            rte_thread_unregister();
        });
    }
    ~WorkerLoop() override {
        if (thread_.joinable()) {
            follow_.is_stopping.store(true, std::memory_order_release);
            thread_.join();
            worker_.reset();
            if (received_) {
                (void)rte_eth_dev_stop(device_);
                (void)rte_eth_dev_close(device_);
            }
        }
    }

    void follow() { follow_.generation.store(1, std::memory_order_release); }

    void arrive(const Bytes& frame, std::size_t pieces = 1) {
        rte_mbuf* first = nullptr;
        for (std::size_t piece = 0; piece < pieces; ++piece) {
            const std::size_t begin = frame.size() * piece / pieces;
            const std::size_t length = frame.size() * (piece + 1) / pieces - begin;
            rte_mbuf* const packet = rte_pktmbuf_alloc(pool_.pool);
            ASSERT_NE(packet, nullptr);
            std::memcpy(rte_pktmbuf_append(packet, static_cast<std::uint16_t>(length)),
                        frame.data() + begin,
                        length);
            if (first == nullptr) {
                first = packet;
            } else {
                ASSERT_EQ(rte_pktmbuf_chain(first, packet), 0);
            }
        }
        ASSERT_EQ(rte_ring_enqueue(received_.get(), first), 0);
    }

    template <typename Condition>
    [[nodiscard]] static bool comes_true(Condition&& condition) {
        const auto deadline = std::chrono::steady_clock::now() + kDeadline;
        while (!condition()) {
            if (std::chrono::steady_clock::now() > deadline) {
                return false;
            }
            std::this_thread::yield();
        }
        return true;
    }
    // Everything that has been sent, taken from the ring and freed.
    std::vector<Bytes> take_sent() {
        std::vector<Bytes> frames;
        void* object = nullptr;
        while (rte_ring_dequeue(sent_.get(), &object) == 0) {
            auto* const packet = static_cast<rte_mbuf*>(object);
            const auto* const data = rte_pktmbuf_mtod(packet, const std::uint8_t*);
            frames.emplace_back(data, data + rte_pktmbuf_data_len(packet));
            rte_pktmbuf_free(packet);
        }
        return frames;
    }

    LendingRig rig_;
    PacketPool pool_;
    Ring received_;
    Ring sent_;
    std::uint16_t device_ = 0;
    std::unique_ptr<WorkerPort> port_;
    Follow follow_;
    CaptureOrder capture_;
    std::unique_ptr<Worker> worker_;
    std::thread thread_;
};

Bytes packet_of_client(unsigned client) {
    return make_frame({.source_port = static_cast<std::uint16_t>(30'000 + client)});
}

TEST_F(WorkerLoop, AcknowledgesAGenerationBeforeItTakesAPacket) {
    start();
    arrive(packet_of_client(0));
    ASSERT_TRUE(comes_true([this] { return rig_.worker().heartbeat.get() > 3; }));
    EXPECT_EQ(rte_ring_count(received_.get()), 1) << "there is nothing to decide by yet";
    EXPECT_EQ(rig_.worker().acknowledged.load(), 0);
    follow();
    ASSERT_TRUE(comes_true([this] { return rte_ring_count(sent_.get()) == 1; }));
    EXPECT_EQ(rig_.worker().acknowledged.load(), 1);
}

TEST_F(WorkerLoop, ForwardsEveryPacketOnceAndInOrder) {
    start();
    constexpr unsigned kPackets = 200;  // more than a burst, and no multiple of one
    std::vector<Bytes> expected;
    for (unsigned client = 0; client < kPackets; ++client) {
        arrive(packet_of_client(client));
        expected.push_back(packet_of_client(client));
    }
    follow();
    ASSERT_TRUE(comes_true([this] { return rte_ring_count(sent_.get()) == kPackets; }));
    const std::vector<Bytes> sent = take_sent();
    for (unsigned client = 0; client < kPackets; ++client) {
        // All but the MAC addresses is as it came, and behind it what makes it a frame.
        expected[client].resize(60);
        EXPECT_EQ(Bytes(sent[client].begin() + 12, sent[client].end()),
                  Bytes(expected[client].begin() + 12, expected[client].end()));
        EXPECT_EQ(sent[client][4], 4) << "to one of the portal's backends";
    }
    EXPECT_EQ(rig_.worker().packets.get(), kPackets);
    EXPECT_EQ(rig_.backend(BackendIndex{0}).forwarded_packets.get() +
                  rig_.backend(BackendIndex{1}).forwarded_packets.get(),
              kPackets);
}

TEST_F(WorkerLoop, FreesAndCountsWhatItsPortCannotSend) {
    constexpr unsigned kPlaces = 8;
    constexpr unsigned kPackets = 100;
    start(kPlaces);
    for (unsigned client = 0; client < kPackets; ++client) {
        arrive(packet_of_client(client));
    }
    follow();
    ASSERT_TRUE(comes_true(
        [this] { return rig_.dropped(DropReason::kTransmitFull) == kPackets - kPlaces; }));
    EXPECT_EQ(rig_.service(testing::kPortal)
                  .dropped[static_cast<std::size_t>(DropReason::kTransmitFull)]
                  .get(),
              kPackets - kPlaces);
    EXPECT_EQ(take_sent().size(), kPlaces);
    // Nothing is lost but what the worker keeps for packets that have to be cut.
    EXPECT_TRUE(
        comes_true([this] { return rte_mempool_in_use_count(pool_.pool) <= kBurstPackets; }));
}

TEST_F(WorkerLoop, FreesWhatHasNoPathToAKernel) {
    start();
    follow();
    arrive(make_frame({.destination = "192.0.2.99"}));
    EXPECT_TRUE(comes_true([this] { return rig_.dropped(DropReason::kNoKernelPath) == 1; }));
    EXPECT_TRUE(
        comes_true([this] { return rte_mempool_in_use_count(pool_.pool) <= kBurstPackets; }));
}

TEST_F(WorkerLoop, TakesAChainThatFitsIntoOneBufferAndNoOther) {
    start();
    follow();
    const Bytes fits = make_frame({.payload_bytes = 1'000});
    arrive(fits, 3);
    ASSERT_TRUE(comes_true([this] { return rte_ring_count(sent_.get()) == 1; }));
    const std::vector<Bytes> sent = take_sent();
    EXPECT_EQ(Bytes(sent[0].begin() + 12, sent[0].end()), Bytes(fits.begin() + 12, fits.end()));
    arrive(make_frame({.payload_bytes = 3'000}), 3);
    EXPECT_TRUE(comes_true([this] { return rig_.dropped(DropReason::kTooBig) == 1; }));
    EXPECT_EQ(rte_ring_count(sent_.get()), 0);
}

TEST_F(WorkerLoop, GoesOnWhileAPortHasNoSockets) {
    start_test_eal();
    const Result<PacketPool> pool =
        make_packet_pool("no-sockets", {kBuffers, kBufferBytes}, {}, false);
    ASSERT_TRUE(pool) << pool.error().message;
    pool_ = *pool;
    run(std::make_unique<WorkerPort>());  // of an interface that is gone
    follow();
    const std::uint64_t before = rig_.worker().heartbeat.get();
    EXPECT_TRUE(comes_true([&] { return rig_.worker().heartbeat.get() > before + 3; }));
    EXPECT_FALSE(port_->is_held());
}

}  // namespace
}  // namespace fairlead::engine
