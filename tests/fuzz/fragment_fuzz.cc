// Pieces of datagrams in any order, over time and over two workers that share the fragment table
// and see each other's flows. A record is four bytes and a payload:
//
//     byte 0    bit 0: worker; 1: IPv6; 2: more fragments; 3, 4: which datagram; 5: UDP;
//               6, 7: how much time passes before it
//     byte 1    offset in 8-byte units
//     byte 2    bytes of payload, as many as there are left
//     byte 3    bits 0..2: offset's lowest bits (of which IPv4 has three flags, IPv6 three bits);
//               bit 3: the destination is a tunnelled VIP
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>

#include "dp/forward/fragments/held_packets.h"
#include "dp/net/checksum.h"
#include "dp/net/parse.h"
#include "tests/fuzz/require.h"
#include "tests/fuzz/what_is_wrong.h"
#include "tests/support/lending_rig.h"

namespace fairlead::testing {
namespace {

constexpr std::size_t kIp = sizeof(EthernetHeader);
constexpr std::size_t kHead = 4;

// A worker and what it holds.
class Worker {
  public:
    LendingRig rig;

    void offer(const Bytes& frame) {
        auto block = std::make_unique<Bytes>(kNeededHeadroomBytes + frame.size());
        std::copy(frame.begin(), frame.end(), block->begin() + kNeededHeadroomBytes);
        Packet packet{block->data() + kNeededHeadroomBytes,
                      static_cast<std::uint32_t>(frame.size()),
                      kNeededHeadroomBytes};
        Verdict verdict;
        forward_burst(rig.context, {&packet, 1}, {&verdict, 1});
        require_nothing(
            what_is_wrong({frame, block->data(), kNeededHeadroomBytes}, packet, verdict));
        ++tally_.offered;
        transmitted_ += verdict.action == Action::kTransmit ? 1U : 0U;
        if (verdict.action == Action::kHold) {
            Bytes* const owner = block.get();
            blocks_.emplace(owner, std::move(block));
            take(held_.add(rig.context, packet, owner));
        }
    }
    void offer_held() {
        held_.offer(rig.context, [this](const Released& released) { take(released); });
        tally_.held = held_.size();
        require_nothing(what_is_wrong_with_counters(rig.worker(), tally_, transmitted_));
    }
    [[nodiscard]] std::size_t held() const { return held_.size(); }

  private:
    void take(const Released& released) {
        if (released.owner == nullptr) {
            return;
        }
        if (released.verdict.action == Action::kTransmit) {
            ++transmitted_;
            require_nothing(what_is_wrong_with_ip(released.packet));
        } else {
            require_nothing(released.verdict.reason == DropReason::kNone
                                ? "a held packet went without a reason"
                                : nullptr);
        }
        blocks_.erase(released.owner);
    }

    HeldPackets held_;
    std::unordered_map<void*, std::unique_ptr<Bytes>> blocks_;
    Tally tally_;
    std::uint64_t transmitted_ = 0;
};

Bytes piece_v4(std::span<const std::uint8_t> record, std::span<const std::uint8_t> payload) {
    const bool is_tunnelled = (record[3] & 8U) != 0;
    Bytes frame = make_frame({.destination = is_tunnelled ? "203.0.113.11" : "203.0.113.10"});
    frame.resize(kIp + sizeof(Ipv4Header));
    frame.insert(frame.end(), payload.begin(), payload.end());
    auto& ip = header_at<Ipv4Header>(frame.data() + kIp);
    ip.total_length.set(Be16::from_host(static_cast<std::uint16_t>(frame.size() - kIp)));
    ip.identification.set(Be16::from_host(static_cast<std::uint16_t>(record[0] >> 3U & 3U)));
    const unsigned more = (record[0] & 4U) != 0 ? 0x2000U : 0U;
    const unsigned flags = (record[3] & 6U) == 6 ? 0x4000U : 0U;  // Don't Fragment, rarely
    ip.flags_and_offset.set(Be16::from_host(static_cast<std::uint16_t>(record[1] | more | flags)));
    ip.protocol = (record[0] & 32U) != 0 ? kProtocolUdp : kProtocolTcp;
    fix_ip_checksum(frame);
    return frame;
}

Bytes piece_v6(std::span<const std::uint8_t> record, std::span<const std::uint8_t> payload) {
    const bool is_tunnelled = (record[3] & 8U) != 0;
    Bytes frame = make_frame(
        {.source = "2001:db8:c::7", .destination = is_tunnelled ? "2001:db8::11" : "2001:db8::10"});
    frame.resize(kIp + sizeof(Ipv6Header) + sizeof(FragmentHeader));
    frame.insert(frame.end(), payload.begin(), payload.end());
    auto& ip = header_at<Ipv6Header>(frame.data() + kIp);
    ip.payload_length.set(
        Be16::from_host(static_cast<std::uint16_t>(frame.size() - kIp - sizeof(Ipv6Header))));
    ip.next_header = kProtocolFragment;
    const std::uint8_t protocol = (record[0] & 32U) != 0 ? kProtocolUdp : kProtocolTcp;
    const auto place = static_cast<std::uint16_t>(unsigned{record[1]} << 3U | (record[3] & 6U) |
                                                  ((record[0] & 4U) != 0 ? 1U : 0U));
    const std::array<std::uint8_t, 8> header{protocol,
                                             0,
                                             static_cast<std::uint8_t>(place >> 8U),
                                             static_cast<std::uint8_t>(place),
                                             0,
                                             0,
                                             0,
                                             static_cast<std::uint8_t>(record[0] >> 3U & 3U)};
    std::copy(header.begin(), header.end(), frame.begin() + kIp + sizeof(Ipv6Header));
    return frame;
}

void check(std::span<const std::uint8_t> input) {
    if (input.size() > 8'192) {
        return;
    }
    // Kept from one input to the next, as making them takes longer than an input does: at its end
    // every fragment is gone, and of those before it nothing is remembered.
    static std::array<Worker, 2> workers;
    static std::uint64_t now_ms = 0;
    const std::array<FlowTableView, 2> views{
        FlowTableView{std::span<const shm::FlowBucket>(workers[1].rig.buckets)},
        FlowTableView{std::span<const shm::FlowBucket>(workers[0].rig.buckets)}};
    for (std::size_t i = 0; i < workers.size(); ++i) {
        workers[i].rig.context.fragments = &workers[0].rig.fragments;
        workers[i].rig.context.other_flows = {&views[i], 1};
    }
    const auto pass = [&](std::uint64_t ms) {
        now_ms += ms;
        for (Worker& worker : workers) {
            worker.rig.context.now_ms = now_ms;
            worker.offer_held();
        }
    };
    while (input.size() >= kHead) {
        const auto record = input.first(kHead);
        input = input.subspan(kHead);
        const auto payload = input.first(std::min<std::size_t>(record[2], input.size()));
        input = input.subspan(payload.size());
        constexpr std::array<std::uint64_t, 4> kSteps{0, 1, 400, 1'100};
        pass(kSteps[record[0] >> 6U]);
        const bool is_v6 = (record[0] & 2U) != 0;
        workers[record[0] & 1U].offer(is_v6 ? piece_v6(record, payload)
                                            : piece_v4(record, payload));
    }
    pass(1'500);
    pass(2'500);
    require_nothing(workers[0].held() + workers[1].held() == 0
                        ? nullptr
                        : "a fragment is held for longer than its second");
}

}  // namespace
}  // namespace fairlead::testing

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fairlead::testing::check({data, size});
    return 0;
}
