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

#include "dp/forward/held_packets.h"
#include "dp/net/checksum.h"
#include "dp/net/parse.h"
#include "tests/support/lending_rig.h"

namespace fairlead {
namespace {

using testing::Bytes;
using testing::LendingRig;

constexpr std::size_t kIp = sizeof(EthernetHeader);

// The first, a middle and the last piece of a datagram, all of them with the transport header's
// bytes in front: to IPv4 as header fields, to IPv6 by a fragment header behind the IP header.
void add_pieces(std::vector<Bytes>& corpus, const Bytes& frame) {
    for (const unsigned place : {0x0001U, 0x0019U, 0x0030U}) {  // offset in bytes, more fragments
        Bytes piece = frame;
        if (frame[12] == 0x08) {
            piece[kIp + 6] = (place & 1U) != 0 ? 0x20 : 0;
            piece[kIp + 7] = static_cast<std::uint8_t>(place >> 3U);
            testing::fix_ip_checksum(piece);
        } else {
            const std::array<std::uint8_t, 8> header{
                piece[kIp + 6], 0, 0, static_cast<std::uint8_t>(place), 0, 0, 0, 7};
            piece.insert(piece.begin() + kIp + 40, header.begin(), header.end());
            piece[kIp + 6] = kProtocolFragment;
            piece[kIp + 5] = static_cast<std::uint8_t>(piece[kIp + 5] + header.size());
        }
        corpus.push_back(piece);
    }
}

void add_extension_headers(std::vector<Bytes>& corpus, const Bytes& frame) {
    for (const std::uint8_t kind : {kProtocolHopByHop,
                                    kProtocolRouting,
                                    kProtocolAuthentication,
                                    kProtocolDestinationOptions}) {
        Bytes longer = frame;
        const std::array<std::uint8_t, 8> header{longer[kIp + 6], 0, 1, 0, 0, 0, 0, 0};
        longer.insert(longer.begin() + kIp + 40, header.begin(), header.end());
        longer[kIp + 6] = kind;
        longer[kIp + 5] = static_cast<std::uint8_t>(longer[kIp + 5] + header.size());
        corpus.push_back(longer);
    }
}

std::vector<Bytes> seed_corpus() {
    std::vector<Bytes> corpus;
    for (const char* destination : {"203.0.113.10", "203.0.113.11", "203.0.113.99"}) {
        for (const std::uint8_t protocol : {kProtocolTcp, kProtocolUdp}) {
            for (const std::size_t options : {std::size_t{0}, std::size_t{40}}) {
                corpus.push_back(testing::make_frame({.destination = destination,
                                                      .protocol = protocol,
                                                      .payload_bytes = 20,
                                                      .option_bytes = options}));
            }
        }
    }
    for (const char* destination : {"2001:db8::10", "2001:db8::11", "2001:db8::99"}) {
        for (const std::uint8_t protocol : {kProtocolTcp, kProtocolUdp}) {
            for (const unsigned port : {443U, 514U}) {
                corpus.push_back(
                    testing::make_frame({.source = "2001:db8:c::7",
                                         .destination = destination,
                                         .destination_port = static_cast<std::uint16_t>(port),
                                         .protocol = protocol,
                                         .payload_bytes = 20}));
            }
        }
    }
    corpus.push_back(testing::make_frame({.destination = "203.0.113.11", .ttl = 1}));
    for (const bool is_v6 : {false, true}) {
        const char* const vip = is_v6 ? "2001:db8::10" : "203.0.113.10";
        const char* const client = is_v6 ? "2001:db8:c::7" : "198.51.100.7";
        const Bytes quoted = testing::make_frame({.source = vip,
                                                  .destination = client,
                                                  .source_port = 443,
                                                  .destination_port = 40'000,
                                                  .payload_bytes = 12});
        const auto error = static_cast<std::uint8_t>(is_v6 ? 2 : 3);
        corpus.push_back(testing::make_icmp_frame(
            {.source = client, .destination = vip, .type = error}, testing::ip_of(quoted)));
        const auto echo = static_cast<std::uint8_t>(is_v6 ? 128 : 8);
        corpus.push_back(testing::make_icmp_frame(
            {.source = client, .destination = vip, .type = echo, .code = 0}, Bytes(33, 0x5A)));
    }
    return corpus;
}

// Pieces of these frames, and the frames with extension headers.
std::vector<Bytes> rare_corpus(const std::vector<Bytes>& plain) {
    std::vector<Bytes> corpus;
    for (const Bytes& frame : plain) {
        add_pieces(corpus, frame);
        if (frame[12] == 0x86) {
            add_extension_headers(corpus, frame);
        }
    }
    return corpus;
}

// Sets an ICMP checksum anew where there is one, so that mutations of messages reach further.
void fix_icmp_checksum(Bytes& frame) {
    const std::size_t header =
        frame.size() > kIp && frame[kIp] >> 4U == 6 ? sizeof(Ipv6Header) : sizeof(Ipv4Header);
    if (frame.size() < kIp + header + sizeof(IcmpHeader)) {
        return;
    }
    const bool is_v6 = header == sizeof(Ipv6Header);
    std::uint64_t sum = 0;
    if (is_v6) {
        const auto& ip = header_at<Ipv6Header>(frame.data() + kIp);
        if (ip.next_header != kProtocolIcmpv6) {
            return;
        }
        sum = sum_pseudo_header(
            ip, static_cast<std::uint32_t>(frame.size() - kIp - header), kProtocolIcmpv6);
    } else if (frame[kIp] != 0x45 || frame[kIp + 9] != kProtocolIcmp) {
        return;
    }
    auto& icmp = header_at<IcmpHeader>(frame.data() + kIp + header);
    icmp.checksum.set(Be16{});
    sum += sum_bytes(std::span(frame).subspan(kIp + header));
    icmp.checksum.set(Be16::from_raw(static_cast<std::uint16_t>(~fold_checksum(sum))));
}

class Mutator {
  public:
    explicit Mutator(std::uint64_t seed)
        : random_(seed), corpus_(seed_corpus()), rare_(rare_corpus(corpus_)) {}

    [[nodiscard]] std::uint64_t below(std::uint64_t bound) { return random_() % bound; }

    [[nodiscard]] Bytes next() {
        Bytes frame = below(5) != 0 ? corpus_[below(corpus_.size())] : rare_[below(rare_.size())];
        for (std::uint64_t left = below(5); left > 0; --left) {
            mutate(frame);
        }
        // Without a right checksum most IPv4 mutations would end at that check.
        if (below(4) != 0 && frame.size() >= kIp + sizeof(Ipv4Header) && frame[12] == 0x08) {
            const std::size_t header = std::size_t{frame[kIp]} % 16 * 4;
            if (header >= sizeof(Ipv4Header) && frame.size() >= kIp + header) {
                testing::fix_ip_checksum(frame);
            }
        }
        if (below(4) != 0) {
            fix_icmp_checksum(frame);
        }
        return frame;
    }

  private:
    void mutate(Bytes& frame) {
        if (frame.empty()) {
            return;
        }
        const std::size_t at = below(frame.size());
        switch (below(6)) {
            case 0:
                frame[at] ^= static_cast<std::uint8_t>(1U << below(8));
                break;
            case 1:
                frame[at] = static_cast<std::uint8_t>(random_());
                break;
            case 2:  // where the interesting fields are
                frame[std::min(frame.size() - 1, 12 + below(44))] =
                    static_cast<std::uint8_t>(random_());
                break;
            case 3:
                frame.resize(at);
                break;
            case 4:
                frame.resize(frame.size() + below(64), 0xEE);
                break;
            default:
                frame[at] = below(2) == 0 ? 0x00 : 0xFF;
                break;
        }
    }

    std::mt19937_64 random_;
    std::vector<Bytes> corpus_;
    std::vector<Bytes> rare_;
};

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
    const std::uint32_t ip_bytes = packet.length - static_cast<std::uint32_t>(kIp);
    if (packet.data[12] == 0x08) {
        const auto& ip = header_at<Ipv4Header>(packet.data + kIp);
        ASSERT_EQ(ip.total_length.get().host(), ip_bytes);
        ASSERT_TRUE(has_right_checksum(ip, ip.header_bytes()));
    } else {
        const auto& ip = header_at<Ipv6Header>(packet.data + kIp);
        ASSERT_EQ(ip.payload_length.get().host() + sizeof(Ipv6Header), ip_bytes);
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
        Burst burst(mutator, 32);
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

// Every service of the rig by this mode, to backends of this family.
void tunnel_everything(LendingRig& rig, shm::ForwardingMode mode, bool to_v6) {
    const auto add = [&rig, mode](
                         const char* vip, std::uint16_t port, std::uint8_t protocol, ServiceId id) {
        std::vector<std::uint16_t> ring(251);
        for (std::size_t slot = 0; slot < ring.size(); ++slot) {
            ring[slot] = static_cast<std::uint16_t>(2UL * to_number(id) + slot % 2);
        }
        rig.tables.add_service(
            {testing::address(vip), port, protocol}, mode, id, to_number(id), ring);
    };
    add("203.0.113.10", 443, kProtocolTcp, testing::kPortal);
    add("203.0.113.11", 443, kProtocolUdp, testing::kApi);
    add("2001:db8::10", 443, kProtocolTcp, testing::kPortal6);
    add("2001:db8::11", 514, kProtocolUdp, testing::kNotify6);
    for (std::uint16_t index = 0; index < 8; ++index) {
        rig.tables.backend(BackendIndex{index}).address =
            testing::address(to_v6 ? "fd00:4::1" : "10.0.4.1");
    }
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
                Burst burst(mutator, 32);
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
            Burst burst(mutator, 32);
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
