#include "dp/forward/path/vlan.h"

#include <cstring>

#include "dp/net/parse.h"

namespace fairlead {

namespace {

constexpr std::size_t kMacBytes = 2 * sizeof(MacAddress);
constexpr std::uint32_t kTagBytes = sizeof(VlanTag);
// IEEE 802.1Q, 9.6: priority in bits 15..13, drop eligibility in bit 12, VLAN below.
constexpr std::uint16_t kVlanMask = 0x0FFF;
static_assert(kBurstPackets <= 256);

// A tag with this VLAN, at the place where a tag stands.
[[nodiscard]] bool has_tag_of(const Packet& packet, std::uint16_t vlan) noexcept {
    if (packet.length < sizeof(EthernetHeader) + kTagBytes) {
        return false;
    }
    const auto& tag = header_at<VlanTag>(packet.data + kMacBytes);
    return tag.type.get() == kEtherTypeVlan && (tag.control.get().host() & kVlanMask) == vlan;
}

void write_tag(std::uint8_t* frame, std::uint16_t control) noexcept {
    std::memmove(frame, frame + kTagBytes, kMacBytes);
    auto& tag = header_at<VlanTag>(frame + kMacBytes);
    tag.type.set(kEtherTypeVlan);
    tag.control.set(Be16::from_host(control));
}

}  // namespace

bool has_priority_tag(const Packet& packet) noexcept {
    return has_tag_of(packet, 0);
}

bool put_tag(Packet& packet, std::uint16_t control) noexcept {
    if (packet.headroom < kTagBytes) {
        return false;
    }
    packet.data -= kTagBytes;
    packet.headroom -= kTagBytes;
    packet.length += kTagBytes;
    write_tag(packet.data, control);
    return true;
}

VlanBurst::VlanBurst(ForwardContext& context,
                     std::span<Packet> packets,
                     std::span<Verdict> verdicts) noexcept
    : context_(context),
      packets_(packets),
      verdicts_(verdicts),
      spares_before_(context.spares_used) {
    const std::uint16_t vlan = vlan_of(context.snapshot, context.receiving_port);
    shm::WorkerBlock& worker = *context.counters.worker;
    for (std::size_t i = 0; i < packets.size(); ++i) {
        Packet packet = packets[i];
        Came came{.place = static_cast<std::uint8_t>(i)};
        if (has_tag_of(packet, vlan)) {
            came.was_tagged = true;
            came.control = header_at<VlanTag>(packet.data + kMacBytes).control.get().host();
            std::memmove(packet.data + kTagBytes, packet.data, kMacBytes);
            // The tag's bytes are no headroom: what leaves may need them for its own tag.
            packet.data += kTagBytes;
            packet.length -= kTagBytes;
        } else if (vlan != 0 && packet.length >= sizeof(EthernetHeader)) {
            verdicts[i] = {};
            verdicts[i].action = Action::kKernel;
            worker.packets.add(1);
            worker.kernel_packets.add(1);
            continue;
        }
        inner_[count_] = packet;
        came_[count_] = came;
        ++count_;
    }
}

void VlanBurst::finish() noexcept {
    if (context_.spares_used != spares_before_) {
        tag_spares();
    }
    for (std::size_t i = 0; i < count_; ++i) {
        finish_one(i);
    }
}

void VlanBurst::finish_one(std::size_t number) noexcept {
    const Came& came = came_[number];
    Packet& packet = packets_[came.place];
    Verdict& verdict = verdicts_[came.place];
    verdict = inner_verdicts_[number];
    if (verdict.action == Action::kTransmit) {
        packet = inner_[number];
        packet.headroom += came.was_tagged ? kTagBytes : 0;
        tag(packet, verdict, came.control);
    } else if (came.was_tagged) {
        write_tag(packet.data, came.control);  // `packet` still says how it came
    }
}

std::uint16_t VlanBurst::control_of(const Packet* packet) const noexcept {
    for (std::size_t i = 0; i < count_; ++i) {
        if (packet == &inner_[i]) {
            return came_[i].control;
        }
    }
    return 0;
}

void VlanBurst::tag_spares() noexcept {
    for (std::size_t i = spares_before_; i < context_.spares_used; ++i) {
        SparePacket& spare = context_.spares[i];
        if (spare.verdict.action == Action::kTransmit) {
            tag(spare.packet, spare.verdict, control_of(spare.cut_from));
        }
    }
}

void VlanBurst::tag(Packet& packet, Verdict& verdict, std::uint16_t control) noexcept {
    const std::uint16_t vlan = vlan_of(context_.snapshot, verdict.port);
    const auto priority = static_cast<std::uint16_t>(control & ~kVlanMask);
    if (vlan == 0 || put_tag(packet, static_cast<std::uint16_t>(priority | vlan))) {
        return;
    }
    constexpr auto kReason = static_cast<std::size_t>(DropReason::kNoHeadroom);
    verdict.action = Action::kDrop;
    verdict.reason = DropReason::kNoHeadroom;
    context_.counters.worker->dropped[kReason].add(1);
    if (to_number(verdict.service) < context_.counters.services.size()) {
        context_.counters.services[to_number(verdict.service)].dropped[kReason].add(1);
    }
}

}  // namespace fairlead
