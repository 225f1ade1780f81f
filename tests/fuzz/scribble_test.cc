// Somebody scribbles over `tables` while the engine's own code forwards packets by it. Packets may
// be dropped or misrouted; nothing outside the segment and the packet's buffer may be touched. Run
// under AddressSanitizer, the image's exact-size allocation shows the slightest step beyond it.
#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/lending_rig.h"

namespace fairlead::testing {
namespace {

constexpr int kRounds = 200'000;

// Random bytes, small numbers, all ones and single bits: what indices, lengths and flags break on.
std::uint64_t nasty_word(std::mt19937_64& random) {
    switch (random() % 4) {
        case 0:
            return random();
        case 1:
            return random() % 300;
        case 2:
            return ~std::uint64_t{0};
        default:
            return std::uint64_t{1} << (random() % 64);
    }
}

// Overwrites up to eight bytes anywhere but in the capacities, which the reader has copied and
// checked; by atomic stores, as another process would.
void scribble(std::span<std::byte> bytes, std::mt19937_64& random) {
    const std::size_t words = bytes.size() / sizeof(std::uint64_t);
    auto* const start = static_cast<std::uint64_t*>(static_cast<void*>(bytes.data()));
    std::atomic_ref<std::uint64_t>(start[random() % words])
        .store(nasty_word(random), std::memory_order_relaxed);
}

// Makes the segment whole again, or soon nothing would be forwarded any more.
void restore(std::span<std::byte> bytes, const std::vector<std::byte>& whole) {
    auto* const to = static_cast<std::uint64_t*>(static_cast<void*>(bytes.data()));
    for (std::size_t i = 0; i < whole.size() / sizeof(std::uint64_t); ++i) {
        std::uint64_t word = 0;
        std::memcpy(&word, whole.data() + i * sizeof word, sizeof word);
        std::atomic_ref<std::uint64_t>(to[i]).store(word, std::memory_order_relaxed);
    }
}

// The usual services, and on the portal's VIP ranges of ports, any port, and clients that stay.
class WideRig : public LendingRig {
  public:
    WideRig() : LendingRig({.ranges = 4}) {
        std::array<std::uint16_t, 251> ring{};
        for (std::size_t slot = 0; slot < ring.size(); ++slot) {
            ring[slot] = static_cast<std::uint16_t>(slot % 2);
        }
        const IpAddress vip = address("203.0.113.10");
        const auto add = [&](std::uint16_t port, std::uint16_t last, std::uint32_t slot) {
            tables
                .add_service(
                    {vip, port, kProtocolTcp, last}, shm::ForwardingMode::kL2, kPortal, slot, ring)
                .source_prefix_bits = 24;
        };
        add(8'000, 8'100, 4);
        add(8'101, 8'101 + 1, 5);
        add(9'000, 9'999, 6);
        add(0, 0, 7);
        start();
    }
};

Bytes some_frame(std::mt19937_64& random) {
    FrameSpec spec;
    constexpr std::array<std::string_view, 5> kVips{
        "203.0.113.10", "203.0.113.11", "2001:db8::10", "2001:db8::11", "203.0.113.99"};
    spec.destination = kVips[random() % kVips.size()];
    const bool is_v6 = spec.destination.find(':') != std::string_view::npos;
    spec.source = is_v6 ? "2001:db8:1::7" : "198.51.100.7";
    spec.destination_port = spec.destination == "2001:db8::11" ? 514 : 443;
    spec.protocol = spec.destination == "2001:db8::11" ? 17 : 6;
    if (spec.destination == kVips[0] && random() % 2 == 0) {  // by a range, or any port
        spec.destination_port = static_cast<std::uint16_t>(7'990 + random() % 2'020);
    }
    spec.source_port = static_cast<std::uint16_t>(1024 + random() % 64);
    spec.flags = random() % 3 == 0 ? 0x02 : 0x10;
    Bytes frame = make_frame(spec);
    if (random() % 8 == 0) {  // to a virtual router
        const MacAddress to = VirtualMacs::mac_of(random() % VirtualMacs::kCount);
        std::copy(to.bytes.begin(), to.bytes.end(), frame.begin());
    }
    return frame;
}

// Whatever stands in the tables, each verdict names things that exist.
void expect_sound(const Forwarded& forwarded) {
    ASSERT_LT(static_cast<std::size_t>(forwarded.verdict.reason), kDropReasonCount);
    if (forwarded.verdict.action == Action::kTransmit) {
        ASSERT_LT(to_number(forwarded.verdict.port), shm::kMaxPorts);
        if (forwarded.verdict.reply == ReplyKind::kNone) {
            ASSERT_LT(to_number(forwarded.verdict.backend), TablesShape{}.backends);
        }
    }
}

// The same with lists of every shape and with rates, so that those are scribbled over too.
class LimitedRig : public WideRig {
  public:
    LimitedRig() {
        std::vector<IpPrefix> allow;
        std::vector<IpPrefix> deny;
        for (unsigned length = 0; length <= kV6Bits; length += 9) {
            (length % 2 == 0 ? allow : deny)
                .push_back(prefix_around(address("2001:db8:1::7"), length));
            if (length <= kV4Bits) {
                (length % 2 == 0 ? deny : allow)
                    .push_back(prefix_around(address("198.51.100.7"), length));
            }
        }
        for (auto* list : {&allow, &deny}) {
            std::sort(list->begin(), list->end());
        }
        const prefix::Lists lists{std::make_shared<const std::vector<IpPrefix>>(allow),
                                  std::make_shared<const std::vector<IpPrefix>>(deny)};
        tables.set_prefix_lists({&lists, 1});
        tables.limit(tables.service({address("203.0.113.10"), 443, 6}), 1, 1'000'000, 1'000);
        tables.limit(tables.service({address("2001:db8::10"), 443, 6}), 1, 1'000'000, 1'000);
        tables.limit(tables.service({address("203.0.113.11"), 443, 6}), 0, 1'000'000, 1'000);
        start();
        context.limits = RateLimits(budgets_, credits_, sources_, 2);
    }

  private:
    std::vector<PacketBudget> budgets_ = std::vector<PacketBudget>(16);
    std::vector<PacketCredit> credits_ = std::vector<PacketCredit>(16);
    std::vector<SourceSet> sources_ = std::vector<SourceSet>(16);
};

TEST(ScribbledTables, NeverCrashTheForwardingPathBetweenPackets) {
    std::mt19937_64 random(20);
    LimitedRig rig;
    const std::vector<std::byte> whole(rig.tables.bytes().begin(), rig.tables.bytes().end());
    int forwarded = 0;
    int denied = 0;
    for (int round = 0; round < kRounds; ++round) {
        if (round % 50 == 0) {
            restore(rig.tables.bytes(), whole);
        }
        scribble(rig.tables.bytes(), random);
        rig.context.snapshot = rig.context.tables->snapshot();
        if (!rig.context.snapshot.is_empty()) {
            const Forwarded result = rig.forward(some_frame(random));
            expect_sound(result);
            forwarded += result.verdict.action == Action::kTransmit ? 1 : 0;
            denied += result.verdict.reason == DropReason::kDeniedSource ? 1 : 0;
        }
    }
    EXPECT_GT(forwarded, kRounds / 20) << "or the scribbling reached nothing that matters";
    EXPECT_LT(forwarded, kRounds);
    EXPECT_GT(denied, 0) << "or no list was misjudged";
}

TEST(ScribbledTables, NeverCrashTheForwardingPathWhileItReads) {
    LimitedRig rig;
    const std::vector<std::byte> whole(rig.tables.bytes().begin(), rig.tables.bytes().end());
    std::atomic<bool> stop{false};
    std::thread scribbler([&] {
        std::mt19937_64 random(21);
        while (!stop.load(std::memory_order_relaxed)) {
            for (int i = 0; i < 64; ++i) {
                scribble(rig.tables.bytes(), random);
            }
            restore(rig.tables.bytes(), whole);
        }
    });
    std::mt19937_64 random(22);
    for (int round = 0; round < kRounds; ++round) {
        const shm::Snapshot snapshot = rig.context.tables->snapshot();
        if (!snapshot.is_empty()) {
            rig.context.snapshot = snapshot;
        }
        expect_sound(rig.forward(some_frame(random)));
    }
    stop = true;
    scribbler.join();
}

}  // namespace
}  // namespace fairlead::testing
