// Mutated packets through the whole pipeline, for as long as one likes:
//
//     forward_long PACKETS [SEED [SECONDS]]
//
// A round is a million packets through one of the workers below, each with tables, fragments and
// held packets of its own that live on between its rounds. What must hold is in what_is_wrong.h.
// Every packet ends where a page begins that nobody may touch, and its headroom begins behind a
// canary, so a read or write outside it ends the program also in an optimized build. A line a round
// says how far it is. Exit 0: all packets, or all seconds, without a finding.
#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <fmt/format.h>

#include "dp/base/burst.h"
#include "dp/forward/fragments/held_packets.h"
#include "dp/net/parse.h"
#include "tests/fuzz/fuzz_rigs.h"
#include "tests/fuzz/guarded_buffer.h"
#include "tests/fuzz/packet_mutator.h"
#include "tests/fuzz/what_is_wrong.h"

namespace fairlead::testing {
namespace {

constexpr std::uint64_t kRound = 1'000'000;

constexpr std::uint16_t kVlan = 7;
constexpr std::array<std::uint8_t, sizeof(VlanTag)> kTag{0x81, 0x00, 0x00, kVlan};
constexpr std::size_t kMacBytes = 12;

void add_tag(Bytes& frame) {
    if (frame.size() >= kMacBytes) {
        frame.insert(frame.begin() + kMacBytes, kTag.begin(), kTag.end());
    }
}
[[nodiscard]] bool has_tag(std::span<const std::uint8_t> frame) {
    return frame.size() >= kMacBytes + kTag.size() &&
           std::ranges::equal(frame.subspan(kMacBytes, kTag.size()), kTag);
}
// The frame without its tag, which becomes headroom.
void remove_tag(Packet& packet) {
    std::copy_backward(packet.data, packet.data + kMacBytes, packet.data + kMacBytes + kTag.size());
    packet.data += kTag.size();
    packet.headroom += static_cast<std::uint32_t>(kTag.size());
    packet.length -= static_cast<std::uint32_t>(kTag.size());
}

[[noreturn]] void report(const char* finding, std::span<const std::uint8_t> frame) {
    fmt::print("FINDING: {}\nframe:", finding);
    for (const std::uint8_t byte : frame) {
        fmt::print(" {:02x}", byte);
    }
    fmt::print("\n");
    std::fflush(stdout);
    std::abort();
}

// One configuration and its worker.
class Worker {
  public:
    Worker(std::string_view name, std::uint64_t seed) : name_(name), mutator_(seed) {
        for (const char* vip : {"203.0.113.10", "2001:db8::10"}) {
            rig.tables.vip_mark(address(vip)).vip_policy =
                shm::kAnswersEcho | shm::kRejectsUnmatched;
        }
    }

    LendingRig rig;

    // From now on every other packet has a tag, and what leaves must have it.
    void begin_vlan() {
        has_vlan_ = true;
        rig.tables.port(0).vlan = kVlan;
    }
    [[nodiscard]] std::string_view name() const { return name_; }
    [[nodiscard]] const Tally& tally() const { return tally_; }
    [[nodiscard]] std::uint64_t transmitted() const { return transmitted_; }

    void run(std::uint64_t packets) {
        for (std::uint64_t done = 0; done < packets; done += kBurstPackets) {
            forward_some();
            if (done % 256 == 0) {
                ++rig.context.now_ms;
                held_.offer(rig.context, [this](const Released& released) { take(released); });
                collect_pieces();
                sweep_flows(rig.context, 1);
            }
            if (done % 65'536 == 0) {
                rig.context.now = FlowTick{to_number(rig.context.now) + 1};
            }
        }
        const Tally tally{tally_.offered, held_.size()};
        if (const char* const wrong =
                what_is_wrong_with_counters(rig.worker(), tally, transmitted_)) {
            report(wrong, {});
        }
    }

  private:
    void forward_some() {
        for (std::size_t i = 0; i < kBurstPackets; ++i) {
            mutator_.next(frames_[i]);
            if (has_vlan_ && mutator_.below(8) != 0) {
                add_tag(frames_[i]);
            }
            const std::uint64_t room = mutator_.below(128);
            packets_[i] = buffers_[i].place(
                frames_[i],
                static_cast<std::uint32_t>(room < 64 ? kNeededHeadroomBytes : room - 64));
            headroom_[i] = packets_[i].headroom;
            verdicts_[i] = {};
        }
        for (std::size_t i = 0; i < spares_.size(); ++i) {
            spares_[i] = spare_buffers_[i].spare(
                static_cast<std::uint32_t>(64 + mutator_.below(128)), kNeededHeadroomBytes);
        }
        rig.context.spares = spares_;
        forward_burst(rig.context, packets_, verdicts_);
        tally_.offered += kBurstPackets;
        const bool has_pieces = rig.context.spares_used != 0;
        for (std::size_t i = 0; i < kBurstPackets; ++i) {
            judge(i, has_pieces);
        }
        collect_pieces();
        for (std::size_t i = 0; i < kBurstPackets; ++i) {
            if (verdicts_[i].action == Action::kHold) {
                hold(i);
            }
        }
    }

    void judge(std::size_t i, bool has_pieces) {
        if (has_vlan_ && verdicts_[i].action == Action::kTransmit) {
            if (!has_tag(frames_[i])) {
                report("a packet of another VLAN was forwarded", frames_[i]);
            }
            untag(packets_[i]);
            frames_[i].erase(frames_[i].begin() + kMacBytes,
                             frames_[i].begin() + kMacBytes + kTag.size());
            headroom_[i] += static_cast<std::uint32_t>(kTag.size());
        }
        const Offered offered{frames_[i], buffers_[i].headroom_start(), headroom_[i]};
        const char* wrong = buffers_[i].is_canary_alive() ? nullptr : "memory before the headroom";
        if (wrong == nullptr && has_pieces && is_cut(i)) {
            wrong = what_is_wrong_with_ip(packets_[i]);  // it is not what came any more
        } else if (wrong == nullptr) {
            wrong = what_is_wrong(offered, packets_[i], verdicts_[i]);
        }
        if (wrong != nullptr) {
            report(wrong, frames_[i]);
        }
        transmitted_ += verdicts_[i].action == Action::kTransmit ? 1U : 0U;
    }

    // What leaves, as it would without a VLAN.
    void untag(Packet& packet) const {
        if (!has_vlan_) {
            return;
        }
        if (!has_tag({packet.data, packet.length})) {
            report("a packet leaves without the VLAN's tag", {packet.data, packet.length});
        }
        remove_tag(packet);
    }

    // The packet itself became a first piece: its total length is not what came.
    [[nodiscard]] bool is_cut(std::size_t i) const {
        if (verdicts_[i].action != Action::kTransmit || verdicts_[i].reply != ReplyKind::kNone ||
            frames_[i][12] != 0x08) {
            return false;
        }
        constexpr std::size_t kIp = sizeof(EthernetHeader);
        const std::size_t added = headroom_[i] - packets_[i].headroom;
        return header_at<Ipv4Header>(packets_[i].data + kIp + added).total_length.get() !=
               header_at<Ipv4Header>(frames_[i].data() + kIp).total_length.get();
    }

    void collect_pieces() {
        for (std::size_t i = 0; i < rig.context.spares_used; ++i) {
            SparePacket& piece = spares_[i];
            const auto* const buffer = static_cast<const GuardedBuffer*>(piece.owner);
            const char* wrong = buffer->is_canary_alive() ? nullptr : "memory before a piece";
            if (wrong == nullptr && piece.verdict.action == Action::kTransmit) {
                untag(piece.packet);
                wrong = what_is_wrong_with_ip(piece.packet);
            }
            if (wrong != nullptr) {
                report(wrong, {piece.packet.data, piece.packet.length});
            }
        }
        rig.context.spares_used = 0;
        rig.context.spares = {};
    }

    // Moved into a heap block of exactly its size.
    void hold(std::size_t i) {
        auto block = std::make_unique<Bytes>(packets_[i].headroom + packets_[i].length);
        std::copy_n(packets_[i].data, packets_[i].length, block->data() + packets_[i].headroom);
        Packet moved = packets_[i];
        moved.data = block->data() + moved.headroom;
        Bytes* const owner = block.get();
        blocks_.emplace(owner, std::move(block));
        take(held_.add(rig.context, moved, owner));
    }
    void take(const Released& released) {
        if (released.owner == nullptr) {
            return;
        }
        if (released.verdict.action == Action::kTransmit) {
            ++transmitted_;
            Packet packet = released.packet;
            untag(packet);
            if (const char* const wrong = what_is_wrong_with_ip(packet)) {
                report(wrong, {packet.data, packet.length});
            }
        } else if (released.verdict.reason == DropReason::kNone) {
            report("a held packet went without a reason", {});
        }
        blocks_.erase(released.owner);
    }

    std::string_view name_;
    bool has_vlan_ = false;
    Mutator mutator_;
    std::array<GuardedBuffer, kBurstPackets> buffers_;
    std::array<GuardedBuffer, 4> spare_buffers_;
    std::array<Bytes, kBurstPackets> frames_;
    std::array<std::uint32_t, kBurstPackets> headroom_{};
    std::array<Packet, kBurstPackets> packets_{};
    std::array<Verdict, kBurstPackets> verdicts_{};
    std::array<SparePacket, 4> spares_{};
    HeldPackets held_;
    std::unordered_map<void*, std::unique_ptr<Bytes>> blocks_;
    Tally tally_;
    std::uint64_t transmitted_ = 0;
};

struct Workers {
    std::vector<std::unique_ptr<Worker>> all;
    std::unique_ptr<FuzzLimits> limits;  // of one of them
};

Workers make_workers(std::uint64_t seed) {
    struct Tunnel {
        std::string_view name;
        shm::ForwardingMode mode;
        bool to_v6;
    };
    using enum shm::ForwardingMode;
    constexpr std::array kTunnels{Tunnel{"ipip over v4", kIpip, false},
                                  Tunnel{"ipip over v6", kIpip, true},
                                  Tunnel{"gre over v4", kGre, false},
                                  Tunnel{"gre over v6", kGre, true},
                                  Tunnel{"gue over v4", kGue, false},
                                  Tunnel{"gue over v6", kGue, true}};
    Workers workers;
    const auto add = [&](std::string_view name) -> Worker& {
        workers.all.push_back(std::make_unique<Worker>(name, seed + workers.all.size()));
        return *workers.all.back();
    };
    add("l2 and ipip");
    for (const Tunnel& tunnel : kTunnels) {
        tunnel_everything(add(tunnel.name).rig, tunnel.mode, tunnel.to_v6);
    }
    add("a small MTU").rig.tables.port(0).mtu_bytes = 84;
    add_wide_services(add("any port and ranges").rig);
    workers.limits = std::make_unique<FuzzLimits>(add("limits").rig);
    add("a VLAN").begin_vlan();
    for (auto& worker : workers.all) {
        worker->rig.start();
    }
    return workers;
}

std::optional<std::uint64_t> number_of(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc{} && end == text.data() + text.size() ? std::optional(value)
                                                                    : std::nullopt;
}

int run(std::uint64_t packets, std::uint64_t seed, std::uint64_t seconds) {
    using Clock = std::chrono::steady_clock;
    const auto start = Clock::now();
    const Workers workers = make_workers(seed);
    std::uint64_t done = 0;
    for (std::size_t turn = 0; done < packets; ++turn) {
        Worker& worker = *workers.all[turn % workers.all.size()];
        const std::uint64_t count = std::min(kRound, packets - done);
        worker.run(count);
        done += (count + kBurstPackets - 1) / kBurstPackets * kBurstPackets;
        const std::chrono::duration<double> took = Clock::now() - start;
        fmt::print("{} packets, {:.0f} s, {:.0f} packets/s, {}: {} of {} transmitted\n",
                   done,
                   took.count(),
                   static_cast<double>(done) / took.count(),
                   worker.name(),
                   worker.transmitted(),
                   worker.tally().offered);
        std::fflush(stdout);
        if (seconds != 0 && took.count() >= static_cast<double>(seconds)) {
            break;
        }
    }
    for (const auto& worker : workers.all) {
        for (std::size_t reason = 1; reason < kDropReasonCount; ++reason) {
            const std::uint64_t count = worker->rig.worker().dropped[reason].get();
            if (count != 0) {
                fmt::print("{}: {} {}\n", worker->name(), count, kDropReasonTexts[reason].metric);
            }
        }
    }
    fmt::print("{} packets without a finding\n", done);
    return 0;
}

}  // namespace
}  // namespace fairlead::testing

int main(int argc, char** argv) {
    using fairlead::testing::number_of;
    const std::span<char*> words(argv, static_cast<std::size_t>(argc));
    std::array<std::optional<std::uint64_t>, 3> numbers{std::nullopt, 1, 0};
    for (std::size_t i = 1; i < words.size() && i <= numbers.size(); ++i) {
        numbers[i - 1] = number_of(words[i]);
    }
    if (words.size() > numbers.size() + 1 || !numbers[0] || !numbers[1] || !numbers[2]) {
        fmt::print(stderr, "expected: forward_long PACKETS [SEED [SECONDS]]\n");
        return 2;
    }
    return fairlead::testing::run(*numbers[0], *numbers[1], *numbers[2]);
}
