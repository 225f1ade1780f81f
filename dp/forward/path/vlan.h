// One VLAN tag (IEEE 802.1Q), where the port is configured for it, or a priority tag, which names
// no VLAN (VLAN 0) and is as good as none (802.1Q, 6.9).
//
// Theory of operation: the stages know nothing of tags. Where any port has a VLAN, a burst goes
// through a VlanBurst, which takes the tag off before the stages and puts one on behind them:
//
//     the port that received has     the frame                   then
//     no VLAN                        tagged 0                    to the stages without its tag
//                                    any other                   to the stages as it is; a tagged
//                                                                one is the kernel's there
//     VLAN 7                         tagged 7                    to the stages without its tag
//                                    untagged, tagged 0,         the kernel's, untouched
//                                    another VLAN, another tag
//                                    (802.1ad)
//                                    too short for Ethernet      to the stages, which drop it
//
// Where no port has a VLAN, the stages go first, hold what has a priority tag, and that alone goes
// through a VlanBurst then (pipeline.cc): no other frame pays for it.
//
// What leaves gets the tag of the port by which it leaves, if that has a VLAN, with the priority
// and drop eligibility that the frame came with (0 if it came untagged): forwarded packets, pieces
// of one that was cut, and the balancer's own answers alike. What is held, dropped or the kernel's
// has its own tag again, byte for byte as it came.
//
// A tag counts neither for the MTU nor for the services' and backends' bytes. A second tag behind
// the first one is not looked at: such a frame is the kernel's.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "dp/base/burst.h"
#include "dp/base/read_once.h"
#include "dp/forward/path/classify.h"
#include "dp/forward/pipeline.h"

namespace fairlead {

// The VLAN of a port's traffic; 0: untagged, also where there is no such port.
[[nodiscard]] inline std::uint16_t vlan_of(const shm::Snapshot& snapshot, PortIndex port) noexcept {
    constexpr std::uint16_t kVlanBits = 0x0FFF;
    return to_number(port) < snapshot.port_count
               ? read_once(snapshot.header->ports[to_number(port)].vlan) & kVlanBits
               : std::uint16_t{0};
}

// Whether behind the MAC addresses there is a tag that names no VLAN.
[[nodiscard]] bool has_priority_tag(const Packet& packet) noexcept;

// Puts a tag between MAC addresses and type. `control`: priority, drop eligibility and VLAN as the
// tag has them. false: there is no headroom for it, and nothing is changed. Requires a whole
// Ethernet header.
[[nodiscard]] bool put_tag(Packet& packet, std::uint16_t control) noexcept;

class VlanBurst {
  public:
    // Takes tags off, and decides about what is the kernel's for its tag alone. Requires spans of
    // one size, at most kBurstPackets, that outlive this.
    VlanBurst(ForwardContext& context,
              std::span<Packet> packets,
              std::span<Verdict> verdicts) noexcept;

    // What is the stages' to decide.
    [[nodiscard]] std::span<Packet> inner_packets() noexcept { return {inner_.data(), count_}; }
    [[nodiscard]] std::span<Verdict> inner_verdicts() noexcept {
        return {inner_verdicts_.data(), count_};
    }

    // The stages are done: makes packets and verdicts of the whole burst, and of the spares that
    // were used, final. What has no headroom for its tag is dropped, counted as that besides.
    void finish() noexcept;

  private:
    // A frame that is the stages' to decide.
    struct Came {
        std::uint16_t control = 0;  // of the tag that it had
        bool was_tagged = false;
        std::uint8_t place = 0;  // in the burst
    };

    void finish_one(std::size_t number) noexcept;
    [[nodiscard]] std::uint16_t control_of(const Packet* packet) const noexcept;
    void tag_spares() noexcept;
    void tag(Packet& packet, Verdict& verdict, std::uint16_t control) noexcept;

    ForwardContext& context_;
    std::span<Packet> packets_;
    std::span<Verdict> verdicts_;
    std::size_t spares_before_;
    std::size_t count_ = 0;
    std::array<Packet, kBurstPackets> inner_;
    std::array<Verdict, kBurstPackets> inner_verdicts_;
    std::array<Came, kBurstPackets> came_;
};

}  // namespace fairlead
