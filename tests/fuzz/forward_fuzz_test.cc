// Broken packets and broken tables, in numbers, from a fixed seed: dp/forward may drop or misroute,
// but reads and writes nothing outside its packets and tables. AddressSanitizer is the judge in its
// build: each packet stands in a heap block of exactly headroom and frame, the tables in one of
// exactly their size.
#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <random>
#include <unordered_map>
#include <vector>

#include <gtest/gtest.h>

#include "dp/base/burst.h"
#include "dp/forward/fragments/held_packets.h"
#include "dp/net/checksum.h"
#include "dp/net/parse.h"
#include "tests/fuzz/fuzz_rigs.h"
#include "tests/fuzz/packet_mutator.h"
#include "tests/support/lending_rig.h"

namespace fairlead {
namespace {

using testing::Bytes;
using testing::LendingRig;
using testing::Mutator;
using testing::tunnel_everything;

constexpr std::size_t kIp = sizeof(EthernetHeader);

// A burst of packets, each in a heap block of its own.
struct Burst {
    Burst(Mutator& mutator, std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) {
            const Bytes frame = mutator.next();
            const std::size_t room = mutator.below(2) == 0 ? 64 : mutator.below(41);
            Bytes& block = blocks.emplace_back(room + frame.size());
            std::uint8_t* const start = block.data();
            std::copy(frame.begin(), frame.end(), start + room);
            packets.push_back({start + room,
                               static_cast<std::uint32_t>(frame.size()),
                               static_cast<std::uint32_t>(room)});
            originals.push_back(frame);
            headroom.push_back(static_cast<std::uint32_t>(room));
        }
        verdicts.resize(count);
    }

    // What holds whatever the tables say.
    void expect_sound() const {
        for (std::size_t i = 0; i < packets.size(); ++i) {
            const Packet& packet = packets[i];
            const std::size_t moved = headroom[i] - packet.headroom;
            if (verdicts[i].reply != ReplyKind::kNone) {
                ASSERT_EQ(verdicts[i].action, Action::kTransmit);
                ASSERT_EQ(packet.data - packet.headroom, blocks[i].data());
                ASSERT_LE(packet.headroom + packet.length, blocks[i].size());
                // Never more than an error's headers beyond what asked for it.
                ASSERT_LE(packet.length, originals[i].size() + 48);
                continue;
            }
            if (verdicts[i].action == Action::kTransmit) {
                ASSERT_EQ(verdicts[i].reason, DropReason::kNone);
                // What the modes add over IPv4, over IPv6, and l2.
                constexpr std::array<std::size_t, 7> kAdded{0, 20, 24, 32, 40, 44, 52};
                ASSERT_NE(std::ranges::find(kAdded, moved), kAdded.end()) << moved;
                ASSERT_LE(packet.length, originals[i].size() + moved);
                ASSERT_GE(packet.length, kIp + 20 + moved);
                continue;
            }
            ASSERT_EQ(moved, 0U);
            ASSERT_EQ(packet.length, originals[i].size());
            ASSERT_TRUE(std::equal(originals[i].begin(), originals[i].end(), packet.data));
            ASSERT_EQ(verdicts[i].action == Action::kDrop, verdicts[i].reason != DropReason::kNone);
        }
    }

    std::vector<Bytes> blocks;  // each of exactly its size
    std::vector<Packet> packets;
    std::vector<Verdict> verdicts;
    std::vector<Bytes> originals;
    std::vector<std::uint32_t> headroom;
};

// What leaves for a sound configuration is a sound packet.
void expect_sound_ip(const Packet& packet) {
    const std::size_t ip_bytes = packet.length - kIp;
    // A short frame may have kept padding, up to the least length.
    const std::size_t padding = packet.length <= kMinFrameBytes ? ip_bytes : 0;
    if (packet.data[12] == 0x08) {
        const auto& ip = header_at<Ipv4Header>(packet.data + kIp);
        ASSERT_LE(ip.total_length.get().host(), ip_bytes);
        ASSERT_GE(ip.total_length.get().host() + padding, ip_bytes);
        ASSERT_TRUE(has_right_checksum(ip, ip.header_bytes()));
    } else {
        const auto& ip = header_at<Ipv6Header>(packet.data + kIp);
        ASSERT_LE(ip.payload_length.get().host() + sizeof(Ipv6Header), ip_bytes);
        ASSERT_GE(ip.payload_length.get().host() + sizeof(Ipv6Header) + padding, ip_bytes);
    }
}

// The packets that wait, each moved into a heap block of its own, and what became of them.
class Waiting {
  public:
    void add(ForwardContext& context, const Packet& packet) {
        auto block = std::make_unique<Bytes>(packet.headroom + packet.length);
        std::copy_n(packet.data, packet.length, block->data() + packet.headroom);
        Packet moved = packet;
        moved.data = block->data() + packet.headroom;
        Bytes* const owner = block.get();
        blocks_.emplace(owner, std::move(block));
        take(held_.add(context, moved, owner));
    }
    void offer(ForwardContext& context) {
        held_.offer(context, [this](const Released& released) { take(released); });
    }
    [[nodiscard]] std::size_t size() const { return held_.size(); }
    [[nodiscard]] std::uint64_t sent() const { return sent_; }
    [[nodiscard]] std::uint64_t seen(DropReason reason) const {
        return seen_[static_cast<std::size_t>(reason)];
    }

  private:
    void take(const Released& released) {
        if (released.owner == nullptr) {
            return;
        }
        ++seen_[static_cast<std::size_t>(released.verdict.reason)];
        if (released.verdict.action == Action::kTransmit) {
            ++sent_;
            expect_sound_ip(released.packet);
        }
        blocks_.erase(released.owner);
    }

    HeldPackets held_;
    std::unordered_map<void*, std::unique_ptr<Bytes>> blocks_;
    std::vector<std::uint64_t> seen_ = std::vector<std::uint64_t>(kDropReasonCount);
    std::uint64_t sent_ = 0;
};

TEST(ForwardFuzz, TwoMillionBrokenPackets) {
    LendingRig rig;
    Mutator mutator(1);
    for (const char* vip : {"203.0.113.10", "2001:db8::10"}) {
        rig.tables.vip_mark(testing::address(vip)).vip_policy =
            shm::kAnswersEcho | shm::kRejectsUnmatched;
    }
    std::vector<std::uint64_t> seen(kDropReasonCount);
    std::uint64_t sent = 0;
    Waiting waiting;
    for (int round = 0; round < 2'000'000 / 32; ++round) {
        Burst burst(mutator, kBurstPackets);
        rig.context.now = FlowTick{static_cast<std::uint64_t>(round) / 8};
        rig.context.now_ms = static_cast<std::uint64_t>(round) * 40;
        forward_burst(rig.context, burst.packets, burst.verdicts);
        ASSERT_NO_FATAL_FAILURE(burst.expect_sound());
        for (std::size_t i = 0; i < burst.packets.size(); ++i) {
            ++seen[static_cast<std::size_t>(burst.verdicts[i].reason)];
            if (burst.verdicts[i].action == Action::kTransmit) {
                ++sent;
                ASSERT_NO_FATAL_FAILURE(expect_sound_ip(burst.packets[i]));
            } else if (burst.verdicts[i].action == Action::kHold) {
                waiting.add(rig.context, burst.packets[i]);
            }
        }
        waiting.offer(rig.context);
        sweep_flows(rig.context, 1);
    }
    // The mutations reach behind the first check: every reason that a packet alone can cause, and
    // success.
    using enum DropReason;
    for (const DropReason reason : {kTruncated,
                                    kBadIpVersion,
                                    kBadHeaderLength,
                                    kBadTotalLength,
                                    kBadIpChecksum,
                                    kMartianSource,
                                    kBadFragment,
                                    kTinyFragment,
                                    kFragmentOverlap,
                                    kExtensionHeader,
                                    kUnsupportedProtocol,
                                    kNoService,
                                    kNoHeadroom,
                                    kBadIcmpChecksum,
                                    kBadIcmpQuote,
                                    kIcmpType}) {
        EXPECT_GT(seen[static_cast<std::size_t>(reason)], 100U) << text_of(reason).metric;
    }
    for (const ReplyKind kind :
         {ReplyKind::kTimeExceeded, ReplyKind::kUnreachable, ReplyKind::kReset, ReplyKind::kEcho}) {
        const auto index = static_cast<std::size_t>(kind);
        EXPECT_GT(rig.worker().replies[index].get(), 100U) << kReplyKindNames[index];
    }
    EXPECT_GT(sent, 50'000U);
    EXPECT_GT(waiting.sent(), 100U);
    EXPECT_GT(waiting.seen(DropReason::kFragment), 100U);
    EXPECT_EQ(rig.worker().packets.get() + waiting.size(), 2'000'000U);
}

TEST(ForwardFuzz, BrokenPacketsThroughEveryTunnel) {
    for (const auto mode :
         {shm::ForwardingMode::kIpip, shm::ForwardingMode::kGue, shm::ForwardingMode::kGre}) {
        for (const bool to_v6 : {false, true}) {
            LendingRig rig;
            tunnel_everything(rig, mode, to_v6);
            Mutator mutator(6);
            std::uint64_t sent = 0;
            for (int round = 0; round < 100'000 / 32; ++round) {
                Burst burst(mutator, kBurstPackets);
                forward_burst(rig.context, burst.packets, burst.verdicts);
                ASSERT_NO_FATAL_FAILURE(burst.expect_sound());
                for (std::size_t i = 0; i < burst.packets.size(); ++i) {
                    if (burst.verdicts[i].action != Action::kTransmit ||
                        burst.verdicts[i].reply != ReplyKind::kNone) {
                        continue;
                    }
                    ++sent;
                    ASSERT_EQ(burst.packets[i].data[12], to_v6 ? 0x86 : 0x08);
                    ASSERT_NO_FATAL_FAILURE(expect_sound_ip(burst.packets[i]));
                }
            }
            EXPECT_GT(sent, 2'000U) << static_cast<int>(mode) << to_v6;
        }
    }
}

// A block of exactly 64 bytes of headroom and the frame.
struct OnePacket {
    explicit OnePacket(const Bytes& frame) : block(64 + frame.size()) {
        std::copy(frame.begin(), frame.end(), block.begin() + 64);
        packet = {block.data() + 64, static_cast<std::uint32_t>(frame.size()), 64};
    }
    void forward(ForwardContext& context) { forward_burst(context, {&packet, 1}, {&verdict, 1}); }
    [[nodiscard]] Bytes bytes() const { return {packet.data, packet.data + packet.length}; }

    Bytes block;
    Packet packet;
    Verdict verdict;
};

Bytes with_tag(Bytes frame, std::uint16_t control) {
    const std::array<std::uint8_t, 4> tag{0x81,
                                          0,
                                          static_cast<std::uint8_t>(control >> 8U),
                                          static_cast<std::uint8_t>(control & 0xFFU)};
    frame.insert(frame.begin() + 12, tag.begin(), tag.end());
    return frame;
}

// Behind the port's tag a packet gets what it gets without one where there are no VLANs; and
// whatever a tag is, what does not leave is as it came.
TEST(ForwardFuzz, BrokenPacketsBehindATag) {
    LendingRig plain;
    LendingRig tagged;
    LendingRig third_rig;
    for (LendingRig* const rig : {&tagged, &third_rig}) {
        rig->tables.port(0).vlan = 7;
        rig->start();
    }
    Mutator mutator(7);
    std::uint64_t sent = 0;
    for (int round = 0; round < 300'000; ++round) {
        const Bytes frame = mutator.next();
        if (frame.size() < kIp) {
            continue;
        }
        const auto control = static_cast<std::uint16_t>(mutator.below(16) << 12U | 7U);
        OnePacket one(frame);
        OnePacket other(with_tag(frame, control));
        one.forward(plain.context);
        other.forward(tagged.context);
        ASSERT_EQ(other.verdict.action, one.verdict.action);
        ASSERT_EQ(other.verdict.reason, one.verdict.reason);
        ASSERT_EQ(other.verdict.backend, one.verdict.backend);
        ASSERT_EQ(other.bytes(), with_tag(one.bytes(), control));
        sent += one.verdict.action == Action::kTransmit ? 1 : 0;

        Bytes broken = with_tag(frame, control);
        broken[mutator.below(std::min<std::size_t>(broken.size(), 20))] ^=
            static_cast<std::uint8_t>(1U << mutator.below(8));
        broken.resize(mutator.below(3) == 0 ? mutator.below(broken.size()) : broken.size());
        OnePacket third(broken);
        third.forward(third_rig.context);
        if (third.verdict.action != Action::kTransmit) {
            ASSERT_EQ(third.bytes(), broken);
        }
    }
    EXPECT_GT(sent, 20'000U);
}

// Writes random bytes, words and near misses over `bytes`.
void scribble(std::span<std::byte> bytes, std::mt19937_64& random, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
        const std::size_t at = random() % bytes.size();
        switch (random() % 4) {
            case 0:
                bytes[at] = static_cast<std::byte>(random());
                break;
            case 1:
                bytes[at] = std::byte{0xFF};
                break;
            case 2:
                std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(at),
                            std::min<std::size_t>(8, bytes.size() - at),
                            static_cast<std::byte>(random()));
                break;
            default:
                bytes[at] = bytes[random() % bytes.size()];
                break;
        }
    }
}

TEST(ForwardFuzz, AHeaderThatLiesAboutItsCapacitiesIsRefusedOrBounded) {
    std::mt19937_64 random(4);
    Mutator mutator(4);
    std::size_t mapped = 0;
    for (int round = 0; round < 20'000; ++round) {
        testing::TablesImage image({.backends = 8, .buckets = 8, .rings = 2, .ring_entries = 61});
        image.publish(1);
        scribble(image.bytes().first(sizeof(shm::TablesHeader)), random, 1 + random() % 4);
        const auto reader = shm::TablesReader::map(image.bytes());
        if (!reader) {
            continue;
        }
        ++mapped;
        LendingRig rig;
        rig.context.tables = &*reader;
        rig.context.snapshot = reader->snapshot();
        Burst burst(mutator, 4);
        forward_burst(rig.context, burst.packets, burst.verdicts);
        ASSERT_NO_FATAL_FAILURE(burst.expect_sound());
    }
    EXPECT_GT(mapped, 1'000U);
    EXPECT_LT(mapped, 20'000U);
}

TEST(ForwardFuzz, ScribbledFlowTablesNeverCrash) {
    Mutator mutator(5);
    std::mt19937_64 random(5);
    for (int round = 0; round < 400; ++round) {
        LendingRig rig;
        for (int turn = 0; turn < 10; ++turn) {
            for (std::size_t i = 0; i < 64; ++i) {
                auto& bucket = rig.buckets[random() % rig.buckets.size()];
                bucket.entries[random() % shm::kFlowsPerBucket].store(random(),
                                                                      std::memory_order_relaxed);
            }
            rig.start();  // as an engine that takes the segment over
            rig.context.now = FlowTick{random()};
            Burst burst(mutator, kBurstPackets);
            forward_burst(rig.context, burst.packets, burst.verdicts);
            ASSERT_NO_FATAL_FAILURE(burst.expect_sound());
            sweep_flows(rig.context, 64);
            std::size_t entries = 0;
            for (const auto& bucket : rig.buckets) {
                for (const auto& word : bucket.entries) {
                    entries += word.load(std::memory_order_relaxed) != 0 ? 1U : 0U;
                }
            }
            ASSERT_EQ(rig.flows->entry_count(), entries);
        }
    }
}

}  // namespace
}  // namespace fairlead
