#include "tests/fuzz/packet_mutator.h"

#include <algorithm>
#include <array>

#include "dp/net/checksum.h"
#include "dp/net/parse.h"

namespace fairlead::testing {

namespace {

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

}  // namespace

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
    corpus.push_back(testing::make_frame({.payload_bytes = 20}));
    constexpr std::array<std::uint8_t, 6> kVirtualRouter{0, 0, 0x5E, 0, 1, 0x33};
    std::ranges::copy(kVirtualRouter, corpus.back().begin());
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

namespace {

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

}  // namespace

void Mutator::next(Bytes& frame) {
    frame = below(5) != 0 ? corpus_[below(corpus_.size())] : rare_[below(rare_.size())];
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
}

void Mutator::mutate(Bytes& frame) {
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

}  // namespace fairlead::testing
