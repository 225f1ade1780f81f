#include "dp/forward/rare/cut.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "dp/base/read_once.h"
#include "dp/forward/path/egress.h"
#include "dp/forward/path/tunnel.h"
#include "dp/forward/rare/resume.h"
#include "dp/net/checksum.h"
#include "dp/net/parse.h"

namespace fairlead {

namespace {

constexpr std::uint32_t kMaxHeaderBytes = 60;

// How a packet is cut.
struct Plan {
    std::uint32_t header_bytes = 0;   // of the packet
    std::uint32_t payload_bytes = 0;  // of the packet
    std::uint32_t piece_bytes = 0;    // payload of each piece but the last
    std::uint32_t pieces = 0;
    // The header of the later pieces, still with the packet's lengths and offset.
    std::array<std::uint8_t, kMaxHeaderBytes> later_header{};
    std::uint32_t later_header_bytes = 0;
};

// Leaves the options out that belong to the first piece alone. The options are sound
// (check_options_v4).
void copy_header(const std::uint8_t* ip, Plan& plan) noexcept {
    const bool is_first = header_at<Ipv4Header>(ip).offset_bytes() == 0;
    std::memcpy(plan.later_header.data(), ip, sizeof(Ipv4Header));
    std::uint32_t end = sizeof(Ipv4Header);
    for (std::uint32_t at = sizeof(Ipv4Header); at < plan.header_bytes;) {
        const std::uint8_t type = ip[at];
        if (type == kIpOptionEnd) {
            break;
        }
        const std::uint32_t length =
            type == kIpOptionNop ? 1 : std::max<std::uint32_t>(ip[at + 1], 1);
        if (at + length > plan.header_bytes) {
            break;
        }
        if (!is_first || (type & kIpOptionCopied) != 0) {
            std::memcpy(plan.later_header.data() + end, ip + at, length);
            end += length;
        }
        at += length;
    }
    while (end % 4 != 0) {
        plan.later_header[end++] = kIpOptionEnd;
    }
    plan.later_header_bytes = end;
    plan.later_header[0] = static_cast<std::uint8_t>(0x40U | end / 4);
}

// Makes the header of a piece out of the packet's own.
void finish_header(std::uint8_t* ip,
                   std::uint32_t ip_bytes,
                   std::uint32_t offset,
                   bool has_more) noexcept {
    auto& header = header_at<Ipv4Header>(ip);
    const std::uint32_t flags = header.flags_and_offset.get().host() & 0x8000U;
    header.total_length.set(Be16::from_host(static_cast<std::uint16_t>(ip_bytes)));
    header.flags_and_offset.set(Be16::from_host(
        static_cast<std::uint16_t>(flags | (has_more ? 0x2000U : 0U) | offset / 8)));
    header.checksum.set(Be16{});
    header.checksum.set(checksum_of({ip, header.header_bytes()}));
}

// The backend's word of now, and the largest packet that its tunnel takes. 0: nothing fits.
[[nodiscard]] std::uint32_t room_for(const ForwardContext& context,
                                     const PacketFacts& facts,
                                     BackendIndex backend,
                                     Selection& selection) noexcept {
    const shm::BackendRecord* const record = context.tables->backend(backend);
    if (record == nullptr) {
        return 0;
    }
    // Pairs with the release store of the daemon (tables.h, word-last).
    const shm::BackendWord word(record->word.load(std::memory_order_acquire));
    if (!word.has(shm::BackendWord::kPublished) || !word.has(shm::BackendWord::kLinked) ||
        to_number(word.port()) >= context.snapshot.port_count) {
        return 0;
    }
    const shm::PortRecord& port = context.snapshot.header->ports[to_number(word.port())];
    const std::uint32_t overhead =
        tunnel_overhead(read_once(facts.service->mode), !record->address.is_v4());
    const std::uint32_t mtu = path_mtu(port, *record);
    selection = {record, word};
    return mtu > overhead ? mtu - overhead : 0;
}

// Puts piece `number`, from 1 on, into a spare and sends it on. kNone: it is on its way.
[[nodiscard]] DropReason send_later(const ForwardContext& context,
                                    const Packet& packet,
                                    const PacketFacts& facts,
                                    const Selection& selection,
                                    const Plan& plan,
                                    std::uint32_t number) noexcept {
    SparePacket& spare = context.spares[context.spares_used + number - 1];
    const std::uint8_t* const ip = packet.data + kEthernetBytes;
    const std::uint32_t start = number * plan.piece_bytes;
    const std::uint32_t bytes = std::min(plan.piece_bytes, plan.payload_bytes - start);
    const std::uint32_t ip_bytes = plan.later_header_bytes + bytes;
    if (kEthernetBytes + ip_bytes > spare.room) {
        return DropReason::kNoSpareBuffer;
    }
    spare.packet = {spare.start, kEthernetBytes + ip_bytes, spare.headroom};
    spare.cut_from = &packet;
    std::uint8_t* const to = spare.start + kEthernetBytes;
    std::memcpy(spare.start, packet.data, kEthernetBytes);
    std::memcpy(to, plan.later_header.data(), plan.later_header_bytes);
    std::memcpy(to + plan.later_header_bytes, ip + plan.header_bytes + start, bytes);
    const auto& header = header_at<Ipv4Header>(ip);
    const bool is_last = start + bytes == plan.payload_bytes;
    finish_header(to, ip_bytes, header.offset_bytes() + start, !is_last || header.has_more());

    PacketFacts piece_facts = facts;
    piece_facts.ip_bytes = static_cast<std::uint16_t>(ip_bytes);
    spare.verdict = {};
    rewrite_one(context, spare.packet, piece_facts, selection, spare.verdict);
    return spare.verdict.reason;
}

}  // namespace

void cut_and_send(ForwardContext& context,
                  Packet& packet,
                  const PacketFacts& facts,
                  Verdict& verdict) noexcept {
    std::uint8_t* const ip = packet.data + kEthernetBytes;
    auto& header = header_at<Ipv4Header>(ip);
    if (context.spares.empty() || facts.service == nullptr || facts.is_v6 ||
        (header.flags_and_offset.get().raw() & kIpv4DontFragment.raw()) != 0) {
        return;
    }
    Selection selection;
    const std::uint32_t room = room_for(context, facts, verdict.backend, selection);
    Plan plan;
    plan.header_bytes = header.header_bytes();
    plan.payload_bytes = facts.ip_bytes - plan.header_bytes;
    if (room < plan.header_bytes + 8 || room >= facts.ip_bytes) {
        return;
    }
    plan.piece_bytes = (room - plan.header_bytes) / 8 * 8;
    plan.pieces = (plan.payload_bytes + plan.piece_bytes - 1) / plan.piece_bytes;
    if (context.spares.size() - context.spares_used < plan.pieces - 1) {
        verdict.reason = DropReason::kNoSpareBuffer;
        return;
    }
    if (packet.headroom < kNeededHeadroomBytes) {
        verdict.reason = DropReason::kNoHeadroom;
        return;
    }
    copy_header(ip, plan);
    for (std::uint32_t number = 1; number < plan.pieces; ++number) {
        const DropReason reason = send_later(context, packet, facts, selection, plan, number);
        if (reason != DropReason::kNone) {
            verdict.reason = reason;
            return;
        }
    }
    context.spares_used += plan.pieces - 1;
    PacketFacts first_facts = facts;
    first_facts.ip_bytes = static_cast<std::uint16_t>(plan.header_bytes + plan.piece_bytes);
    finish_header(ip, first_facts.ip_bytes, header.offset_bytes(), true);
    rewrite_one(context, packet, first_facts, selection, verdict);
    context.counters.worker->cut_packets.add(1);
}

}  // namespace fairlead
