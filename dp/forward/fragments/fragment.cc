#include "dp/forward/fragments/fragment.h"

#include <algorithm>

#include "dp/forward/answers/echo_pieces.h"
#include "dp/forward/fragments/fragment_piece.h"
#include "dp/forward/fragments/fragment_table.h"
#include "dp/forward/path/limit.h"
#include "dp/forward/path/tracked.h"
#include "dp/forward/path/transport.h"
#include "dp/forward/rare/icmp.h"
#include "dp/forward/rare/resume.h"
#include "dp/net/parse.h"

namespace fairlead {

namespace {

constexpr std::uint32_t kMaxDatagramBytes = 65'535;

[[nodiscard]] DropReason check_extent(const Piece& piece) noexcept {
    if (piece.bytes == 0 || (piece.has_more && piece.bytes % 8 != 0) ||
        piece.unfragmentable + piece.offset + piece.bytes > kMaxDatagramBytes) {
        return DropReason::kBadFragment;
    }
    return DropReason::kNone;
}

// The ports of a first fragment. What UDP says of its length is the whole datagram's, so it can be
// judged where the whole is here: an atomic fragment (RFC 6946).
[[nodiscard]] DropReason read_first(const Piece& piece,
                                    TransportKey& key,
                                    FlowEvent& event,
                                    std::uint16_t& content_bytes) noexcept {
    if (!piece.has_more) {
        return check_transport(
            piece.protocol, piece.payload, piece.payload_bytes, key, event, content_bytes);
    }
    if (piece.protocol == kProtocolTcp) {
        const DropReason reason = check_transport(
            kProtocolTcp, piece.payload, piece.payload_bytes, key, event, content_bytes);
        content_bytes =
            std::max<std::uint16_t>(content_bytes, 1);  // there is some in the next piece
        return reason == DropReason::kTruncated ? DropReason::kTinyFragment : reason;
    }
    if (piece.protocol != kProtocolUdp) {
        return DropReason::kUnsupportedProtocol;
    }
    if (piece.payload_bytes < sizeof(UdpHeader)) {
        return DropReason::kTinyFragment;
    }
    const auto& udp = header_at<UdpHeader>(piece.payload);
    key = {udp.source_port.get(), udp.destination_port.get(), kProtocolUdp};
    event = FlowEvent::kDatagram;
    return udp.length.get().host() < sizeof(UdpHeader) ? DropReason::kBadHeaderLength
                                                       : DropReason::kNone;
}

// What can be said of a later fragment alone.
[[nodiscard]] DropReason check_later(const Piece& piece, bool is_v6) noexcept {
    if (piece.protocol == kProtocolTcp) {
        return piece.offset < sizeof(TcpHeader) ? DropReason::kTinyFragment : DropReason::kNone;
    }
    // IPv6: extension headers may come first in the fragmentable part.
    return piece.protocol == kProtocolUdp || is_icmp(piece, is_v6) ||
                   (is_v6 && is_walked_header(piece.protocol))
               ? DropReason::kNone
               : DropReason::kUnsupportedProtocol;
}

void hold(Verdict& verdict) noexcept {
    verdict.action = Action::kHold;
    verdict.reason = DropReason::kNone;
}

// The entry's verdict on one more piece.
[[nodiscard]] DropReason admit(FragmentEntry& entry, const Piece& piece) noexcept {
    if (entry.refusal != DropReason::kNone) {
        return entry.refusal;
    }
    switch (entry.pieces.add(piece.offset, piece.offset + piece.bytes, !piece.has_more)) {
        case PieceFit::kFits:
            return DropReason::kNone;
        case PieceFit::kRepeats:
            return DropReason::kFragmentOverlap;
        case PieceFit::kNoRoom:
            return DropReason::kFragmentNoRoom;
        case PieceFit::kOverlaps:
            break;
    }
    entry.refusal = DropReason::kFragmentOverlap;
    return entry.refusal;
}

// Remembers where a first fragment goes, or says that it may not go.
void select_first(ForwardContext& context,
                  const Packet& packet,
                  const Piece& piece,
                  PacketFacts& facts,
                  Selection& selection,
                  Verdict& verdict) noexcept {
    FragmentVisit visit(
        *context.fragments, context.snapshot.flow_hash_seed, piece.key, context.now_ms);
    if (!visit.has_access()) {
        facts.service = nullptr;
        hold(verdict);
        return;
    }
    if (FragmentEntry* const entry = visit.find(); entry != nullptr) {
        // Its first fragment has been here: this one repeats or contradicts it.
        (void)admit(*entry, piece);
        facts.service = nullptr;
        verdict.reason = DropReason::kFragmentOverlap;
        return;
    }
    select_one(context, packet, facts, selection, verdict);
    if (facts.service == nullptr) {
        return;
    }
    FragmentEntry& entry = visit.make();
    (void)entry.pieces.add(0, piece.bytes, false);
    entry.flow_hash = facts.hash;
    entry.backend = verdict.backend;
    entry.incarnation = static_cast<std::uint8_t>(selection.word.incarnation());
    entry.port = piece.ports.destination_port;
    entry.protocol = piece.ports.protocol;
    entry.prolong(context.now_ms);
}

// What a piece of a ping that got no answer means for the others: over the limit the reply has a
// hole, and they would be in vain. That one frame was too big or not for the port says nothing.
[[nodiscard]] DropReason refusal_of_rest(DropReason reason) noexcept {
    return reason == DropReason::kReplyRateLimited ? reason : DropReason::kNone;
}

// The first piece of an ICMP message: a ping's is answered. Its entry says what the others get.
void answer_first(ForwardContext& context,
                  Packet& packet,
                  const Piece& piece,
                  bool is_v6,
                  Verdict& verdict) noexcept {
    FragmentVisit visit(
        *context.fragments, context.snapshot.flow_hash_seed, piece.key, context.now_ms);
    if (!visit.has_access()) {
        hold(verdict);
        return;
    }
    if (FragmentEntry* const entry = visit.find(); entry != nullptr) {
        (void)admit(*entry, piece);
        verdict.reason = DropReason::kFragmentOverlap;
        return;
    }
    verdict.reason = check_ping(context, piece, is_v6);
    FragmentEntry& entry = visit.make();
    (void)entry.pieces.add(0, piece.bytes, false);
    entry.protocol = is_v6 ? kProtocolIcmpv6 : kProtocolIcmp;
    if (verdict.reason == DropReason::kNone) {
        answer_piece(context, packet, piece, is_v6, verdict);
    }
    entry.refusal = verdict.reason;
    entry.prolong(context.now_ms);
}

// A first fragment: by its ports, as every packet; the others follow it.
void forward_first(ForwardContext& context,
                   Packet& packet,
                   Piece& piece,
                   PacketFacts& facts,
                   Verdict& verdict) noexcept {
    if (is_icmp(piece, facts.is_v6)) {
        if (piece.has_more) {
            answer_first(context, packet, piece, facts.is_v6, verdict);
        } else {
            verdict.reason = DropReason::kUnsupportedProtocol;
            handle_icmp(context, packet, facts, verdict);
        }
        return;
    }
    const TransportKey& key = piece.ports;
    verdict.reason = read_first(piece, piece.ports, facts.event, facts.content_bytes);
    if (verdict.reason != DropReason::kNone ||
        !find_service_late(context, piece.key.destination, key, facts, verdict) ||
        !limit_one(context, piece.key.source, facts, verdict)) {
        return;
    }
    const std::uint64_t seed = context.snapshot.flow_hash_seed;
    const FragmentKey& addresses = piece.key;
    facts.hash =
        facts.is_v6
            ? flow_hash_v6(seed, addresses.source.bytes(), addresses.destination.bytes(), key)
            : flow_hash_v4(seed, addresses.source.v4(), addresses.destination.v4(), key);
    Selection selection;
    if (piece.has_more) {
        select_first(context, packet, piece, facts, selection, verdict);
    } else {
        select_one(context, packet, facts, selection, verdict);
    }
    if (facts.service != nullptr) {
        rewrite_one(context, packet, facts, selection, verdict);
    }
}

// One more piece has gone by.
void advance(FragmentEntry& entry, std::uint64_t now_ms) noexcept {
    entry.prolong(now_ms);
    if (entry.pieces.is_whole()) {
        entry = FragmentEntry{};
    }
}

// A later fragment: where the first one went.
void forward_later(ForwardContext& context,
                   Packet& packet,
                   const Piece& piece,
                   PacketFacts& facts,
                   Verdict& verdict) noexcept {
    verdict.reason = check_later(piece, facts.is_v6);
    if (verdict.reason != DropReason::kNone) {
        return;
    }
    Selection selection;
    {
        FragmentVisit visit(
            *context.fragments, context.snapshot.flow_hash_seed, piece.key, context.now_ms);
        FragmentEntry* const entry = visit.has_access() ? visit.find() : nullptr;
        if (entry == nullptr) {
            hold(verdict);
            return;
        }
        if (is_ping(*entry)) {
            verdict.reason = admit(*entry, piece);
            if (verdict.reason == DropReason::kNone) {
                answer_piece(context, packet, piece, facts.is_v6, verdict);
                entry->refusal = refusal_of_rest(verdict.reason);
                advance(*entry, context.now_ms);
            }
            return;
        }
        const TransportKey key{Be16{}, entry->port, entry->protocol};
        if (!find_service_late(context, piece.key.destination, key, facts, verdict) ||
            !limit_one(context, piece.key.source, facts, verdict)) {
            return;
        }
        verdict.reason = admit(*entry, piece);
        if (verdict.reason == DropReason::kNone &&
            !find_tracked(
                *context.tables, entry->backend, entry->incarnation, *facts.service, selection)) {
            verdict.reason = DropReason::kNoBackend;
        }
        if (verdict.reason != DropReason::kNone) {
            facts.service = nullptr;
            return;
        }
        facts.hash = entry->flow_hash;
        verdict.backend = entry->backend;
        advance(*entry, context.now_ms);
    }
    rewrite_one(context, packet, facts, selection, verdict);
}

void forward_piece(ForwardContext& context,
                   Packet& packet,
                   Piece& piece,
                   PacketFacts& facts,
                   Verdict& verdict) noexcept {
    if (context.fragments == nullptr) {
        verdict.reason = DropReason::kFragment;
        return;
    }
    verdict.reason = check_extent(piece);
    if (verdict.reason != DropReason::kNone) {
        return;
    }
    if (piece.offset == 0) {
        forward_first(context, packet, piece, facts, verdict);
    } else {
        forward_later(context, packet, piece, facts, verdict);
    }
}

}  // namespace

void forward_fragment_v4(ForwardContext& context,
                         Packet& packet,
                         PacketFacts& facts,
                         Verdict& verdict) noexcept {
    std::uint8_t* const bytes = packet.data + sizeof(EthernetHeader);
    const auto& ip = header_at<Ipv4Header>(bytes);
    const std::uint32_t header_bytes = ip.header_bytes();
    Piece piece;
    piece.key = {IpAddress::from_v4(ip.source.get()),
                 IpAddress::from_v4(ip.destination.get()),
                 ip.identification.get().raw(),
                 ip.protocol};
    piece.payload = bytes + header_bytes;
    facts.ip_bytes = ip.total_length.get().host();
    piece.bytes = facts.ip_bytes - header_bytes;
    piece.payload_bytes = piece.bytes;
    piece.offset = ip.offset_bytes();
    piece.unfragmentable = header_bytes;
    piece.protocol = ip.protocol;
    piece.has_more = ip.has_more();
    forward_piece(context, packet, piece, facts, verdict);
}

void forward_fragment_v6(ForwardContext& context,
                         Packet& packet,
                         const HeaderChain& chain,
                         PacketFacts& facts,
                         Verdict& verdict) noexcept {
    std::uint8_t* const bytes = packet.data + sizeof(EthernetHeader);
    const auto& ip = header_at<Ipv6Header>(bytes);
    const auto& header = header_at<FragmentHeader>(bytes + chain.fragment_at);
    if (chain.reason != DropReason::kNone) {
        // The whole chain of headers must be in the first fragment (RFC 7112, 5).
        const bool is_tiny = chain.reason == DropReason::kTruncated && header.has_more();
        verdict.reason = is_tiny ? DropReason::kTinyFragment : chain.reason;
        return;
    }
    const std::uint32_t fragmentable_at = chain.fragment_at + sizeof(FragmentHeader);
    const std::uint32_t ip_bytes = ip.payload_length.get().host() + sizeof(Ipv6Header);
    Piece piece;
    piece.key = {IpAddress::from_v6(ip.source),
                 IpAddress::from_v6(ip.destination),
                 header.identification.get().raw(),
                 0};
    piece.payload = bytes + chain.end;
    facts.ip_bytes = static_cast<std::uint16_t>(ip_bytes);
    piece.bytes = ip_bytes - fragmentable_at;
    piece.payload_bytes = ip_bytes - chain.end;
    piece.offset = header.offset_bytes();
    piece.unfragmentable = chain.fragment_at - static_cast<std::uint32_t>(sizeof(Ipv6Header));
    piece.protocol = chain.protocol;
    piece.has_more = header.has_more();
    forward_piece(context, packet, piece, facts, verdict);
}

}  // namespace fairlead
