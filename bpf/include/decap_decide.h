/* The decisions of bpf/decap.bpf.c, without maps and helpers, so that user space can run the same
 * code on any input.
 *
 * A frame is [data, data_end): the bytes that can be read. frame_length may be more, when a driver
 * keeps the rest of a large frame in other buffers. Nothing is read before its place has been
 * compared with data_end. No function keeps a pointer.
 *
 * The order: decap_read_outer says whether the frame is a tunnel packet at all and between whom;
 * the caller looks both up; decap_check_outer, decap_check_middle and decap_read_inner look closer;
 * decap_merge_ecn joins the two congestion marks. Only the decap_set_ecn functions change bytes.
 *
 * Sources: RFC 2003 (4in4), RFC 2473 (into IPv6), RFC 4213 (6in4), RFC 2784 (GRE),
 * draft-ietf-intarea-gue-09 (GUE), RFC 6040 (ECN over tunnels), RFC 1122 3.2.1.2 (a wrong header
 * checksum means silence).
 */
#pragma once

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/types.h>

#include "bpf/abi/decap.h"

enum {
    DECAP_ETHERNET_LENGTH = 14,
    DECAP_IPV4_LENGTH = 20,  /* without options */
    DECAP_IPV4_LONGEST = 60, /* 15 words, RFC 791 3.1 */
    DECAP_IPV6_LENGTH = 40,
    DECAP_NEXT_FRAGMENT = 44,  /* IPv6 fragment header, RFC 8200 4.5 */
    DECAP_FRAGMENT_LENGTH = 8, /* of that header */
    DECAP_UDP_LENGTH = 8,
    DECAP_GRE_LENGTH = 4,     /* without checksum, key and sequence number, RFC 2784 2.1 */
    DECAP_GUE_LENGTH = 8 + 4, /* UDP and GUE header without extensions, GUE 3.1 */
    DECAP_GUE_PORT = 6080,
    /* GRE's first word: C, R, K, S and the bits of RFC 1701 that RFC 2784 2.3 says to discard for,
     * and the version. The rest is to be ignored. */
    DECAP_GRE_REFUSED = 0xFC07,
    DECAP_FRAGMENT_MASK = 0x3FFF, /* more-fragments and offset, RFC 791 3.1 */
    DECAP_OFFSET_MASK = 0x1FFF,
    DECAP_ECN_MASK = 3,
    DECAP_ECN_CE = 3, /* congestion experienced, RFC 3168 5 */
    DECAP_ECN_ECT1 = 1,
    DECAP_DROP_ECN = -1,
};

/* What a frame says of its tunnel. */
struct decap_tunnel {
    struct decap_address destination;
    struct decap_address source;
    __u32 header_bytes; /* of the outer IP header with its options */
    __u32 packet_bytes; /* of the whole outer packet, by its own header */
    __u8 protocol;      /* IPPROTO_IPIP, _IPV6, _GRE or _UDP */
    __u8 middle_bytes;  /* between outer and inner IP header, by protocol */
    __u8 ecn;
    __u8 is_fragment;
};

static __always_inline __u16 decap_load_be16(const __u8* bytes) {
    return (__u16)((__u16)bytes[0] << 8 | bytes[1]);
}

/* Whether the protocol is one of ours; `next` is where its header begins, or would begin. UDP is
 * ours on GUE's port, which only the first fragment of a packet tells. */
static __always_inline int decap_read_protocol(const __u8* next,
                                               const __u8* data_end,
                                               __u8 protocol,
                                               int is_later_fragment,
                                               struct decap_tunnel* tunnel) {
    tunnel->protocol = protocol;
    if (protocol == IPPROTO_IPIP || protocol == IPPROTO_IPV6) {
        return 1;
    }
    if (protocol == IPPROTO_GRE) {
        tunnel->middle_bytes = DECAP_GRE_LENGTH;
        return 1;
    }
    if (protocol != IPPROTO_UDP || is_later_fragment || next + DECAP_UDP_LENGTH > data_end) {
        return 0;
    }
    tunnel->middle_bytes = DECAP_GUE_LENGTH;
    return decap_load_be16(next + 2) == DECAP_GUE_PORT;
}

static __always_inline int decap_read_outer_ipv4(const __u8* data,
                                                 const __u8* data_end,
                                                 struct decap_tunnel* tunnel) {
    const __u8* header = data + DECAP_ETHERNET_LENGTH;
    if (header + DECAP_IPV4_LENGTH > data_end) {
        return 0;
    }
    const __u32 header_bytes = (__u32)(header[0] & 0xFU) * 4U;
    if (header[0] >> 4 != 4 || header_bytes < DECAP_IPV4_LENGTH) {
        return 0;
    }
    const __u16 fragment = decap_load_be16(header + 6) & DECAP_FRAGMENT_MASK;
    tunnel->header_bytes = header_bytes;
    tunnel->packet_bytes = decap_load_be16(header + 2);
    tunnel->ecn = header[1] & DECAP_ECN_MASK;
    tunnel->is_fragment = fragment != 0;
    tunnel->source.family = DECAP_IPV4;
    __builtin_memcpy(tunnel->source.bytes, header + 12, 4);
    tunnel->destination.family = DECAP_IPV4;
    __builtin_memcpy(tunnel->destination.bytes, header + 16, 4);
    return decap_read_protocol(
        header + header_bytes, data_end, header[9], (fragment & DECAP_OFFSET_MASK) != 0, tunnel);
}

static __always_inline int decap_read_outer_ipv6(const __u8* data,
                                                 const __u8* data_end,
                                                 struct decap_tunnel* tunnel) {
    const __u8* header = data + DECAP_ETHERNET_LENGTH;
    if (header + DECAP_IPV6_LENGTH > data_end || header[0] >> 4 != 6) {
        return 0;
    }
    tunnel->header_bytes = DECAP_IPV6_LENGTH;
    tunnel->packet_bytes = DECAP_IPV6_LENGTH + (__u32)decap_load_be16(header + 4);
    tunnel->ecn = (header[1] >> 4) & DECAP_ECN_MASK;
    tunnel->source.family = DECAP_IPV6;
    __builtin_memcpy(tunnel->source.bytes, header + 8, 16);
    tunnel->destination.family = DECAP_IPV6;
    __builtin_memcpy(tunnel->destination.bytes, header + 24, 16);
    const __u8* next = header + DECAP_IPV6_LENGTH;
    if (header[6] != DECAP_NEXT_FRAGMENT) {
        return decap_read_protocol(next, data_end, header[6], 0, tunnel);
    }
    if (next + DECAP_FRAGMENT_LENGTH > data_end) {
        return 0;
    }
    tunnel->is_fragment = 1;
    /* The offset is the upper 13 bits (RFC 8200 4.5). */
    const int is_later = decap_load_be16(next + 2) >> 3 != 0;
    return decap_read_protocol(next + DECAP_FRAGMENT_LENGTH, data_end, next[0], is_later, tunnel);
}

/* 1 and *tunnel filled, if the frame is IP in IP, GRE or GUE; 0 if it is the kernel's. Requires
 * *tunnel to be all zero. */
static __always_inline int decap_read_outer(const __u8* data,
                                            const __u8* data_end,
                                            struct decap_tunnel* tunnel) {
    if (data + DECAP_ETHERNET_LENGTH > data_end) {
        return 0;
    }
    const __u16 ethertype = decap_load_be16(data + 12);
    if (ethertype == ETH_P_IP) {
        return decap_read_outer_ipv4(data, data_end, tunnel);
    }
    if (ethertype == ETH_P_IPV6) {
        return decap_read_outer_ipv6(data, data_end, tunnel);
    }
    return 0;
}

/* The length of the outer header, with its bound told anew: the kernel's verifier forgets it
 * between the functions, and the compiler would leave a plain comparison out. */
static __always_inline __u32 decap_bounded_header(const struct decap_tunnel* tunnel) {
    __u32 header_bytes = tunnel->header_bytes;
    __asm__ volatile("" : "+r"(header_bytes));
    return header_bytes & (DECAP_IPV4_LONGEST | 3U);
}

/* The same for the headers between the two IP headers. */
static __always_inline __u32 decap_bounded_middle(const struct decap_tunnel* tunnel) {
    __u32 middle_bytes = tunnel->middle_bytes;
    __asm__ volatile("" : "+r"(middle_bytes));
    return middle_bytes & (DECAP_GUE_LENGTH | DECAP_GRE_LENGTH);
}

/* Whether the header's sum over all of its 16-bit words is all ones (RFC 1071). Requires
 * header_bytes <= 60. */
static __always_inline int decap_checksum_is_right(const __u8* header,
                                                   const __u8* data_end,
                                                   __u32 header_bytes) {
    __u32 sum = 0;
    for (__u32 at = 0; at < DECAP_IPV4_LONGEST && at < header_bytes; at += 2) {
        const __u8* word = header + at;
        /* Keeps the compiler from comparing with data_end moved instead, which the kernel's
         * verifier does not let pass. */
        __asm__ volatile("" : "+r"(word));
        if (word + 2 > data_end) {
            return 0;
        }
        sum += decap_load_be16(word);
    }
    sum = (sum & 0xFFFFU) + (sum >> 16);
    sum = (sum & 0xFFFFU) + (sum >> 16);
    return sum == 0xFFFFU;
}

/* Looks closer at the outer header of a tunnel from a balancer: DECAPSULATED means go on. */
static __always_inline enum decap_outcome decap_check_outer(const __u8* data,
                                                            const __u8* data_end,
                                                            __u32 frame_length,
                                                            const struct decap_tunnel* tunnel) {
    if (tunnel->packet_bytes < tunnel->header_bytes + tunnel->middle_bytes ||
        DECAP_ETHERNET_LENGTH + tunnel->packet_bytes > frame_length) {
        return DECAP_OUTER_MALFORMED;
    }
    /* The kernel will not see this header any more, so its checksum is checked here. */
    if (tunnel->source.family == DECAP_IPV4 &&
        !decap_checksum_is_right(data + DECAP_ETHERNET_LENGTH, data_end, tunnel->header_bytes)) {
        return DECAP_OUTER_MALFORMED;
    }
    return tunnel->is_fragment ? DECAP_OUTER_FRAGMENT : DECAP_DECAPSULATED;
}

/* What the outer packet has inside, as far as the headers before the inner one say. */
struct decap_content {
    __u32 family; /* enum decap_family */
    __u32 room;   /* bytes for the inner packet */
};

static __always_inline enum decap_outcome decap_check_gre(const __u8* gre,
                                                          struct decap_content* content) {
    const __u16 protocol = decap_load_be16(gre + 2);
    if ((decap_load_be16(gre) & DECAP_GRE_REFUSED) != 0 ||
        (protocol != ETH_P_IP && protocol != ETH_P_IPV6)) {
        return DECAP_UNKNOWN_TUNNEL;
    }
    content->family = protocol == ETH_P_IP ? DECAP_IPV4 : DECAP_IPV6;
    return DECAP_DECAPSULATED;
}

/* The UDP checksum is not summed up: of what it covers, addresses, port and GUE header are compared
 * with the only values that are let through, and inner header and payload have checksums of their
 * own, which the kernel checks. "None" is refused over IPv6 (RFC 8200 8.1), since no balancer sends
 * it. */
static __always_inline enum decap_outcome decap_check_gue(const __u8* udp,
                                                          __u32 outer_family,
                                                          struct decap_content* content) {
    const __u32 length = decap_load_be16(udp + 4);
    if (length < DECAP_GUE_LENGTH || length - DECAP_GUE_LENGTH > content->room ||
        (outer_family == DECAP_IPV6 && decap_load_be16(udp + 6) == 0)) {
        return DECAP_OUTER_MALFORMED;
    }
    const __u8* gue = udp + DECAP_UDP_LENGTH;
    const __u8 protocol = gue[1];
    /* Version, control bit and length of extensions in one byte, then the flags of extensions. */
    if (gue[0] != 0 || decap_load_be16(gue + 2) != 0 ||
        (protocol != IPPROTO_IPIP && protocol != IPPROTO_IPV6)) {
        return DECAP_UNKNOWN_TUNNEL;
    }
    content->family = protocol == IPPROTO_IPIP ? DECAP_IPV4 : DECAP_IPV6;
    content->room = length - DECAP_GUE_LENGTH;
    return DECAP_DECAPSULATED;
}

/* Reads what stands at `middle`, behind the outer IP header. Requires what decap_check_outer has
 * checked. */
static __always_inline enum decap_outcome decap_check_middle(const __u8* middle,
                                                             const __u8* data_end,
                                                             const struct decap_tunnel* tunnel,
                                                             struct decap_content* content) {
    content->room = tunnel->packet_bytes - tunnel->header_bytes - tunnel->middle_bytes;
    if (tunnel->protocol == IPPROTO_GRE) {
        return middle + DECAP_GRE_LENGTH > data_end ? DECAP_OUTER_MALFORMED
                                                    : decap_check_gre(middle, content);
    }
    if (tunnel->protocol == IPPROTO_UDP) {
        return middle + DECAP_GUE_LENGTH > data_end
                   ? DECAP_OUTER_MALFORMED
                   : decap_check_gue(middle, tunnel->source.family, content);
    }
    content->family = tunnel->protocol == IPPROTO_IPIP ? DECAP_IPV4 : DECAP_IPV6;
    return DECAP_DECAPSULATED;
}

/* Reads where the inner packet goes, and its ECN bits: DECAPSULATED means that it is whole as far
 * as its headers say. `inner` is where it begins; `room` how many bytes the outer packet has for
 * it. */
static __always_inline enum decap_outcome decap_read_inner(const __u8* inner,
                                                           const __u8* data_end,
                                                           __u32 room,
                                                           __u32 family,
                                                           struct decap_address* destination,
                                                           __u8* ecn) {
    if (family == DECAP_IPV4) {
        if (inner + DECAP_IPV4_LENGTH > data_end) {
            return DECAP_INNER_MALFORMED;
        }
        const __u32 header_bytes = (__u32)(inner[0] & 0xFU) * 4U;
        const __u32 packet_bytes = decap_load_be16(inner + 2);
        if (inner[0] >> 4 != 4 || header_bytes < DECAP_IPV4_LENGTH || packet_bytes < header_bytes ||
            packet_bytes > room) {
            return DECAP_INNER_MALFORMED;
        }
        *ecn = inner[1] & DECAP_ECN_MASK;
        destination->family = DECAP_IPV4;
        __builtin_memcpy(destination->bytes, inner + 16, 4);
        return DECAP_DECAPSULATED;
    }
    if (inner + DECAP_IPV6_LENGTH > data_end) {
        return DECAP_INNER_MALFORMED;
    }
    if (inner[0] >> 4 != 6 || DECAP_IPV6_LENGTH + (__u32)decap_load_be16(inner + 4) > room) {
        return DECAP_INNER_MALFORMED;
    }
    *ecn = (inner[1] >> 4) & DECAP_ECN_MASK;
    destination->family = DECAP_IPV6;
    __builtin_memcpy(destination->bytes, inner + 24, 16);
    return DECAP_DECAPSULATED;
}

/* The ECN bits of the packet that leaves the tunnel (RFC 6040 4.2, figure 4), or DECAP_DROP_ECN. */
static __always_inline int decap_merge_ecn(__u8 inner, __u8 outer) {
    if (inner == 0) {
        return outer == DECAP_ECN_CE ? DECAP_DROP_ECN : 0;
    }
    if (outer == DECAP_ECN_CE || inner == DECAP_ECN_CE) {
        return DECAP_ECN_CE;
    }
    return outer == DECAP_ECN_ECT1 ? DECAP_ECN_ECT1 : inner;
}

/* Sets the ECN bits of a header and keeps its checksum as right as it was (RFC 1624, equation 3).
 * Requires DECAP_IPV4_LENGTH bytes. */
static __always_inline void decap_set_ecn_ipv4(__u8* header, __u8 ecn) {
    const __u16 old_word = decap_load_be16(header);
    const __u16 new_word = (__u16)((old_word & ~DECAP_ECN_MASK) | ecn);
    if (new_word == old_word) {
        return;
    }
    __u32 sum = (__u16)~decap_load_be16(header + 10) + (__u32)(__u16)~old_word + new_word;
    sum = (sum & 0xFFFFU) + (sum >> 16);
    sum = (sum & 0xFFFFU) + (sum >> 16);
    header[1] = (__u8)new_word;
    header[10] = (__u8)(~sum >> 8);
    header[11] = (__u8)~sum;
}

/* Sets the ECN bits of an IPv6 header. Requires its first two bytes. */
static __always_inline void decap_set_ecn_ipv6(__u8* header, __u8 ecn) {
    header[1] = (__u8)((header[1] & ~(DECAP_ECN_MASK << 4)) | (ecn << 4));
}
