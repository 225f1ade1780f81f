// The transport header of a whole packet: are its lengths possible, what are its ports, and what
// does it mean to its flow. A piece of a packet is judged in fragment.cc, since its UDP length is
// that of the whole.
#pragma once

#include <array>
#include <cstdint>

#include "dp/flow/flow_entry.h"
#include "dp/flow/flow_hash.h"
#include "dp/net/parse.h"
#include "dp/shm/drop_reason.h"

namespace fairlead {

// By a table: in a flood of SYNs among other packets every branch would be a coin toss.
[[nodiscard]] inline FlowEvent event_of(std::uint8_t tcp_flags) noexcept {
    static constexpr std::uint8_t kKnownFlags = kTcpFin | kTcpSyn | kTcpRst | kTcpAck;
    static constexpr auto kEvents = [] {
        std::array<FlowEvent, 32> events{};
        for (unsigned flags = 0; flags < events.size(); ++flags) {
            const bool is_close = (flags & (kTcpFin | kTcpRst)) != 0;
            const bool is_open = (flags & (kTcpSyn | kTcpAck)) == kTcpSyn;
            events[flags] = is_close  ? FlowEvent::kClose
                            : is_open ? FlowEvent::kOpen
                                      : FlowEvent::kData;
        }
        return events;
    }();
    static_assert(kKnownFlags < kEvents.size());
    return kEvents[tcp_flags & kKnownFlags];
}

// Requires `bytes` readable bytes at `transport`. Sets `key`, `event` and, of TCP,
// `content_bytes` where it returns kNone.
[[nodiscard]] inline DropReason check_transport(std::uint8_t protocol,
                                                const std::uint8_t* transport,
                                                std::uint32_t bytes,
                                                TransportKey& key,
                                                FlowEvent& event,
                                                std::uint16_t& content_bytes) noexcept {
    if (protocol == kProtocolTcp) {
        if (bytes < sizeof(TcpHeader)) {
            return DropReason::kTruncated;
        }
        const auto& tcp = header_at<TcpHeader>(transport);
        if (tcp.header_bytes() < sizeof(TcpHeader)) {
            return DropReason::kBadHeaderLength;
        }
        if (tcp.header_bytes() > bytes) {
            return DropReason::kTruncated;
        }
        key = {tcp.source_port.get(), tcp.destination_port.get(), kProtocolTcp};
        event = event_of(tcp.flags);
        content_bytes = static_cast<std::uint16_t>(bytes - tcp.header_bytes());
        return DropReason::kNone;
    }
    if (protocol == kProtocolUdp) {
        if (bytes < sizeof(UdpHeader)) {
            return DropReason::kTruncated;
        }
        const auto& udp = header_at<UdpHeader>(transport);
        const std::uint32_t length = udp.length.get().host();
        if (length < sizeof(UdpHeader)) {
            return DropReason::kBadHeaderLength;
        }
        if (length > bytes) {
            return DropReason::kTruncated;
        }
        key = {udp.source_port.get(), udp.destination_port.get(), kProtocolUdp};
        event = FlowEvent::kDatagram;
        return DropReason::kNone;
    }
    return DropReason::kUnsupportedProtocol;
}

}  // namespace fairlead
