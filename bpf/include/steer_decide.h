/* What bpf/steer.bpf.c decides about a VIP's packet while no engine runs, without maps and helpers,
 * so that user space can run the same code on any input.
 *
 * What is sent is what dp/forward sends, byte for byte; what dp/forward drops, answers or looks at
 * twice is not decided here: fragments, IPv4 options, IPv6 extension headers, ICMP, what is larger
 * than its path, what a tunnel's hop would end, other tunnels than IP in IP.
 *
 * The order: steer_read_packet looks at the packet; the caller finds its service; steer_slot tells
 * the slot of the ring, steer_may_follow whether it decides; the caller finds the backend and its
 * port; steer_plan_way says how the frame leaves. Only then are bytes changed: steer_pass_hop
 * before the frame grows at its front, steer_write_frame after it.
 *
 * Nothing is read before its place has been compared with `end`. Frames are any bytes; maps are the
 * engine's, and their numbers are checked all the same.
 *
 * Sources: RFC 791, RFC 8200, RFC 9293 3.1, RFC 768; RFC 1812 5.2.2 and 5.3.7 (what a router looks
 * at), RFC 2003, 2473, 4213 (tunnels), RFC 1624 (checksums), IEEE 802.1Q 9.6.
 */
#pragma once

#include <linux/in.h>
#include <linux/types.h>

#include "bpf/abi/flow_hash.h"
#include "bpf/abi/steer.h"
#include "bpf/abi/steer_away.h"

enum {
    STEER_ETHERNET_BYTES = 14,
    STEER_TAG_BYTES = 4,
    STEER_TAG_VLAN_MASK = 0x0FFF,
    STEER_V4_BYTES = 20, /* without options */
    STEER_V6_BYTES = 40,
    STEER_TCP_BYTES = 20,
    STEER_UDP_BYTES = 8,
    STEER_FIN = 0x01,
    STEER_SYN = 0x02,
    STEER_RST = 0x04,
    STEER_ACK = 0x10,
    STEER_DONT_FRAGMENT = 0x40,
    STEER_OUTER_TTL = 64,
    STEER_MOST_IP_BYTES = 65535,
    /* Ethernet's shortest frame, without its FCS (IEEE 802.3, 4.2.3.3) and without a tag: l2 sends
     * none that is shorter. */
    STEER_SHORTEST_FRAME = 60,
};

/* What the decision needs to know of a packet. */
struct steer_packet {
    __u32 ip_bytes; /* of the IP packet, without Ethernet padding */
    __u32 flow_label;
    __be16 source_port;
    __be16 destination_port;
    __u8 protocol;
    __u8 tos; /* or traffic class */
    __u8 ttl; /* or hop limit */
    __u8 is_v6;
    __u8 is_syn;
    __u8 has_link_local_source;
};

/* How a frame leaves. */
struct steer_way {
    __u32 ifindex;
    __u32 outer_bytes; /* of the tunnel's IP header; 0: none */
    __u32 frame_bytes; /* as it leaves: padding is cut off, or zeros are added for l2 */
    __u32 flow_label;
    __u32 payload_bytes; /* behind the outer header */
    __u16 tag;           /* in host order; 0: untagged */
    __u8 tos;
    __u8 outer_is_v6;
    __u8 inner_is_v6;
    __u8 macs[12]; /* destination, source */
    __u8 source[16];
    __u8 destination[16];
};

static __always_inline __u16 steer_load16(const __u8* bytes) {
    return (__u16)(bytes[0] << 8 | bytes[1]);
}

static __always_inline void steer_store16(__u8* bytes, __u32 value) {
    bytes[0] = (__u8)(value >> 8);
    bytes[1] = (__u8)value;
}

static __always_inline __u32 steer_load32(const __u8* bytes) {
    return (__u32)bytes[0] << 24 | (__u32)bytes[1] << 16 | (__u32)bytes[2] << 8 | bytes[3];
}

static __always_inline void steer_store32(__u8* bytes, __u32 value) {
    steer_store16(bytes, value >> 16);
    steer_store16(bytes + 2, value & 0xFFFF);
}

static __always_inline __u16 steer_fold(__u32 sum) {
    sum = (sum & 0xFFFF) + (sum >> 16);
    sum = (sum & 0xFFFF) + (sum >> 16);
    return (__u16)sum;
}

/* The one's complement sum of an IPv4 header without options. */
static __always_inline __u16 steer_sum_v4(const __u8* header) {
    __u32 sum = 0;
    for (int i = 0; i < STEER_V4_BYTES; i += 2) {
        sum += steer_load16(header + i);
    }
    return steer_fold(sum);
}

static __always_inline int steer_is_ipv4(const __u8* address) {
    __u32 words[3];
    __builtin_memcpy(words, address, sizeof words);
    return words[0] == 0 && words[1] == 0 && steer_load32(address + 8) == 0xFFFF;
}

static __always_inline int steer_is_nothing(const __u8* address) {
    __u32 words[4];
    __builtin_memcpy(words, address, sizeof words);
    return (words[0] | words[1] | words[2] | words[3]) == 0;
}

/* The ports, and whether a SYN begins a flow with this packet. `bytes` of `transport` belong to the
 * packet, and no more are read. */
static __always_inline int steer_read_transport(const __u8* transport,
                                                const __u8* end,
                                                __u32 bytes,
                                                struct steer_packet* packet) {
    if (bytes < STEER_UDP_BYTES || transport + STEER_UDP_BYTES > end) {
        return 0;
    }
    __builtin_memcpy(&packet->source_port, transport, 2);
    __builtin_memcpy(&packet->destination_port, transport + 2, 2);
    packet->is_syn = 0;
    if (packet->protocol == IPPROTO_UDP) {
        const __u32 length = steer_load16(transport + 4);
        return length >= STEER_UDP_BYTES && length <= bytes;
    }
    if (packet->protocol != IPPROTO_TCP || bytes < STEER_TCP_BYTES ||
        transport + STEER_TCP_BYTES > end) {
        return 0;
    }
    const __u32 header_bytes = (__u32)(transport[12] >> 4) * 4;
    packet->is_syn = (transport[13] & (STEER_FIN | STEER_SYN | STEER_RST | STEER_ACK)) == STEER_SYN;
    return header_bytes >= STEER_TCP_BYTES && header_bytes <= bytes;
}

static __always_inline int steer_read_v4(const __u8* ip,
                                         const __u8* end,
                                         struct steer_packet* packet) {
    if (ip + STEER_V4_BYTES > end || ip[0] != 0x45) {
        return 0;
    }
    const __u32 total = steer_load16(ip + 2);
    if (total < STEER_V4_BYTES || total > (__u64)(end - ip) || steer_sum_v4(ip) != 0xFFFF) {
        return 0;
    }
    /* Neither a piece nor the bit that must be 0. */
    const __u8 first = ip[12];
    if ((steer_load16(ip + 6) & 0x3FFF) != 0 || first == 0 || first == 127 || first >= 224 ||
        steer_load32(ip + 12) == steer_load32(ip + 16)) {
        return 0;
    }
    packet->is_v6 = 0;
    packet->ip_bytes = total;
    packet->flow_label = 0;
    packet->tos = ip[1];
    packet->ttl = ip[8];
    packet->protocol = ip[9];
    packet->has_link_local_source = steer_load16(ip + 12) == 0xA9FE;
    return steer_read_transport(ip + STEER_V4_BYTES, end, total - STEER_V4_BYTES, packet);
}

/* Sources that no client can have: ::, ::1, ::ffff:0:0/96, ff00::/8. */
static __always_inline int steer_is_martian_v6(const __u8* address) {
    __u32 words[2];
    __builtin_memcpy(words, address, sizeof words);
    if (words[0] != 0 || words[1] != 0) {
        return address[0] == 0xFF;
    }
    const __u32 third = steer_load32(address + 8);
    return third == 0xFFFF || (third == 0 && steer_load32(address + 12) <= 1);
}

static __always_inline int steer_read_v6(const __u8* ip,
                                         const __u8* end,
                                         struct steer_packet* packet) {
    if (ip + STEER_V6_BYTES > end || ip[0] >> 4 != 6) {
        return 0;
    }
    const __u32 payload = steer_load16(ip + 4);
    if (payload + STEER_V6_BYTES > (__u64)(end - ip) || steer_is_martian_v6(ip + 8)) {
        return 0;
    }
    __u32 addresses[8];
    __builtin_memcpy(addresses, ip + 8, sizeof addresses);
    if (((addresses[0] ^ addresses[4]) | (addresses[1] ^ addresses[5]) |
         (addresses[2] ^ addresses[6]) | (addresses[3] ^ addresses[7])) == 0) {
        return 0;
    }
    const __u32 first = steer_load32(ip);
    packet->is_v6 = 1;
    packet->ip_bytes = payload + STEER_V6_BYTES;
    packet->flow_label = first & 0xFFFFF;
    packet->tos = (__u8)(first >> 20);
    packet->ttl = ip[7];
    packet->protocol = ip[6];
    packet->has_link_local_source = ip[8] == 0xFE && (ip[9] & 0xC0) == 0x80;
    return steer_read_transport(ip + STEER_V6_BYTES, end, payload, packet);
}

/* Whether [ip, end) is a packet that may be decided; then `packet` is filled in. */
static __always_inline int steer_read_packet(const __u8* ip,
                                             const __u8* end,
                                             int is_v6,
                                             struct steer_packet* packet) {
    return is_v6 ? steer_read_v6(ip, end, packet) : steer_read_v4(ip, end, packet);
}

/* The flow's hash. Requires a packet that steer_read_packet has taken. */
static __always_inline __u64 steer_flow_hash(__u64 seed,
                                             const __u8* ip,
                                             const struct steer_packet* packet) {
    if (packet->is_v6) {
        return fl_flow_hash_v6(
            seed, ip + 8, ip + 24, packet->source_port, packet->destination_port, packet->protocol);
    }
    __u32 addresses[2];
    __builtin_memcpy(addresses, ip + 12, sizeof addresses);
    return fl_flow_hash_v4(seed,
                           addresses[0],
                           addresses[1],
                           packet->source_port,
                           packet->destination_port,
                           packet->protocol);
}

/* The slot of the service's ring. Below service->ring_entries. */
static __always_inline __u32 steer_slot(const struct steer_service* service,
                                        const __u8* ip,
                                        const struct steer_packet* packet,
                                        __u64 flow_hash) {
    __u64 hash = flow_hash;
    if (service->source_bits != 0) {
        hash = packet->is_v6 ? fl_source_hash_v6(service->seed, ip + 8, service->source_bits)
                             : fl_source_hash_v4(service->seed, ip + 12, service->source_bits);
    }
    return fl_ring_slot(hash, service->ring_entries);
}

/* Whether the ring alone decides (steer_away.h, A1). */
static __always_inline int steer_may_follow(__u16 slot, const struct steer_packet* packet) {
    return !(slot & STEER_SLOT_EMPTY) && (packet->is_syn || slot & STEER_SLOT_SETTLED);
}

/* The outer source: the port's, or the port's prefix and behind it the flow hash's low bits.
 * dp/forward/path/tunnel.cc has the same. */
static __always_inline void steer_write_source(const struct steer_port* port,
                                               __u64 flow_hash,
                                               struct steer_way* way) {
    const __u32 entropy = (__u32)flow_hash;
    if (way->outer_is_v6) {
        __builtin_memcpy(way->source, port->source_v6, 16);
        if (port->entropy_v6 != 0) {
            __builtin_memcpy(way->source, port->prefix_v6, 12);
            steer_store32(way->source + 12, entropy);
        }
        return;
    }
    __builtin_memcpy(way->source, port->source_v4, 16);
    if (port->entropy_v4 != 0) {
        const __u32 bits = port->entropy_v4 > 32 ? 32 : port->entropy_v4;
        const __u32 mask = (__u32)((1ULL << bits) - 1);
        steer_store32(way->source + 12, (port->prefix_v4 & ~mask) | (entropy & mask));
    }
}

static __always_inline int steer_plan_tunnel(const struct steer_packet* packet,
                                             const struct steer_backend* backend,
                                             const struct steer_port* port,
                                             __u64 flow_hash,
                                             struct steer_way* way) {
    way->outer_is_v6 = !steer_is_ipv4(backend->address);
    way->outer_bytes = way->outer_is_v6 ? STEER_V6_BYTES : STEER_V4_BYTES;
    __u32 most = port->mtu_bytes < backend->mtu_bytes ? port->mtu_bytes : backend->mtu_bytes;
    if (most > STEER_MOST_IP_BYTES) {
        most = STEER_MOST_IP_BYTES;
    }
    if (steer_is_nothing(way->outer_is_v6 ? port->source_v6 : port->source_v4) ||
        packet->has_link_local_source || packet->ttl <= 1 ||
        packet->ip_bytes + way->outer_bytes > most) {
        return 0;
    }
    /* RFC 6438: the label lets routers on the way tell flows apart. */
    way->flow_label = packet->is_v6 ? packet->flow_label : (__u32)flow_hash & 0xFFFFF;
    way->payload_bytes = packet->ip_bytes;
    way->tos = packet->tos;
    way->inner_is_v6 = packet->is_v6;
    __builtin_memcpy(way->destination, backend->address, 16);
    steer_write_source(port, flow_hash, way);
    return 1;
}

/* How the packet leaves for this backend; 0: only the engine can tell. `control` are the 16 bits of
 * the tag with which it came, whose priority it keeps; 0 without one. */
static __always_inline int steer_plan_way(const struct steer_packet* packet,
                                          const struct steer_service* service,
                                          const struct steer_backend* backend,
                                          const struct steer_port* port,
                                          __u64 flow_hash,
                                          __u16 control,
                                          struct steer_way* way) {
    const __u64 word = backend->word;
    if (!(word & STEER_BACKEND_USABLE) || port->ifindex == 0) {
        return 0;
    }
    __builtin_memset(way, 0, sizeof *way);
    if (service->mode == STEER_MODE_IPIP) {
        if (!steer_plan_tunnel(packet, backend, port, flow_hash, way)) {
            return 0;
        }
    } else if (service->mode != STEER_MODE_L2 || packet->ip_bytes > port->mtu_bytes) {
        return 0;
    }
    for (int i = 0; i < 6; ++i) {
        way->macs[i] = (__u8)(word >> (8 * i));
        way->macs[6 + i] = port->mac[i];
    }
    way->ifindex = port->ifindex;
    way->tag = port->vlan ? (__u16)((control & ~STEER_TAG_VLAN_MASK) | port->vlan) : 0;
    way->frame_bytes = STEER_ETHERNET_BYTES + way->outer_bytes + packet->ip_bytes;
    if (way->outer_bytes == 0 && way->frame_bytes < STEER_SHORTEST_FRAME) {
        way->frame_bytes = STEER_SHORTEST_FRAME;
    }
    way->frame_bytes += port->vlan ? STEER_TAG_BYTES : 0;
    return 1;
}

/* Lowers TTL or hop limit by one: a tunnel's entrance is a router. Requires a packet that
 * steer_read_packet has taken, whose TTL is not 0. */
static __always_inline void steer_pass_hop(__u8* ip, int is_v6) {
    if (is_v6) {
        --ip[7];
        return;
    }
    /* RFC 1624, 3: HC' = ~(~HC + ~m + m'), where TTL and protocol are one word. */
    const __u32 before = steer_load16(ip + 8);
    --ip[8];
    const __u32 after = steer_load16(ip + 8);
    const __u32 checksum = steer_load16(ip + 10);
    steer_store16(ip + 10, 0xFFFF & ~steer_fold((0xFFFF & ~checksum) + (0xFFFF & ~before) + after));
}

/* As dp/net/encap.cc writes them: Don't Fragment always, and no Identification. */
static __always_inline void steer_write_outer(__u8* outer, const struct steer_way* way) {
    const __u8 protocol = way->inner_is_v6 ? IPPROTO_IPV6 : IPPROTO_IPIP;
    if (way->outer_is_v6) {
        steer_store32(outer, 6U << 28 | (__u32)way->tos << 20 | way->flow_label);
        steer_store16(outer + 4, way->payload_bytes);
        outer[6] = protocol;
        outer[7] = STEER_OUTER_TTL;
        __builtin_memcpy(outer + 8, way->source, 16);
        __builtin_memcpy(outer + 24, way->destination, 16);
        return;
    }
    outer[0] = 0x45;
    outer[1] = way->tos;
    steer_store16(outer + 2, way->payload_bytes + STEER_V4_BYTES);
    steer_store16(outer + 4, 0);
    outer[6] = STEER_DONT_FRAGMENT;
    outer[7] = 0;
    outer[8] = STEER_OUTER_TTL;
    outer[9] = protocol;
    steer_store16(outer + 10, 0);
    __builtin_memcpy(outer + 12, way->source + 12, 4);
    __builtin_memcpy(outer + 16, way->destination + 12, 4);
    steer_store16(outer + 10, 0xFFFF & ~steer_sum_v4(outer));
}

/* Everything before the packet that came: Ethernet header, tag, outer header. `frame` begins so
 * much further ahead as they need more room than the header with which it came. `type` is the
 * inner packet's. 0: it does not fit, which cannot be. */
static __always_inline int steer_write_frame(__u8* frame,
                                             const __u8* end,
                                             __u16 type,
                                             const struct steer_way* way) {
    if (frame + STEER_ETHERNET_BYTES + STEER_TAG_BYTES > end) {
        return 0;
    }
    __u16 outer_type = type;
    if (way->outer_bytes != 0) {
        outer_type = way->outer_is_v6 ? 0x86DD : 0x0800;
    }
    __builtin_memcpy(frame, way->macs, sizeof way->macs);
    __u8* content = frame + STEER_ETHERNET_BYTES;
    if (way->tag != 0) {
        steer_store16(frame + 12, 0x8100);
        steer_store16(frame + 14, way->tag);
        content += STEER_TAG_BYTES;
        steer_store16(frame + 16, outer_type);
    } else {
        steer_store16(frame + 12, outer_type);
    }
    if (way->outer_bytes == 0) {
        return 1;
    }
    if (content + (way->outer_is_v6 ? STEER_V6_BYTES : STEER_V4_BYTES) > end) {
        return 0;
    }
    steer_write_outer(content, way);
    return 1;
}
