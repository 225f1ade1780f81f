/* Lowers the MSS that a backend's SYN-ACK offers to what the tunnels carry, on the way out (tc,
 * egress).
 *
 * The client's segments come by a tunnel, whose headers need room in every packet. The server does
 * not know of it: it offers what its own interface takes. So the offer is lowered here, before the
 * client sees it. It is never raised. What the server sends goes past the tunnel, and the MSS that
 * the client offers is left alone.
 *
 * Packets of other addresses than VIPs, and everything but SYN-ACKs, pass untouched and uncounted.
 * Returns TC_ACT_UNSPEC, so that filters of others behind this one run as before.
 */
#include "bpf/abi/clamp.h"

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bpf/include/clamp_decide.h"

enum {
    ETHERNET_LENGTH = 14,
    IPV4_LENGTH = 20,
    IPV6_LENGTH = 40,
    OFFSET_MASK = 0x1FFF,
};

/* Whose SYN-ACKs. The loader sets the size. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 1);
    __type(key, struct decap_address);
    __type(value, __u8);
} clamp_vips SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct clamp_mss);
} clamp_limits SEC(".maps");

/* SYN-ACKs by enum clamp_outcome. */
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, CLAMP_OUTCOME_COUNT);
    __type(key, __u32);
    __type(value, __u64);
} clamp_counters SEC(".maps");

static __always_inline int counted(__u32 outcome) {
    __u64* counter = bpf_map_lookup_elem(&clamp_counters, &outcome);
    if (counter) {
        ++*counter;
    }
    return TC_ACT_UNSPEC;
}

/* Where the TCP header begins, 0 if there is none; the sender to *source. */
static __always_inline __u32 read_ip(struct __sk_buff* skb, struct decap_address* source) {
    __u8 header[IPV6_LENGTH];
    if (skb->protocol == bpf_htons(ETH_P_IP)) {
        if (bpf_skb_load_bytes(skb, ETHERNET_LENGTH, header, IPV4_LENGTH) != 0) {
            return 0;
        }
        const __u32 header_bytes = (header[0] & 0xFU) * 4U;
        const __u16 fragment = (__u16)(header[6] << 8 | header[7]);
        if (header[9] != IPPROTO_TCP || header_bytes < IPV4_LENGTH || (fragment & OFFSET_MASK)) {
            return 0;
        }
        source->family = DECAP_IPV4;
        __builtin_memcpy(source->bytes, header + 12, 4);
        return ETHERNET_LENGTH + header_bytes;
    }
    if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
        if (bpf_skb_load_bytes(skb, ETHERNET_LENGTH, header, IPV6_LENGTH) != 0 ||
            header[6] != IPPROTO_TCP) {
            return 0;
        }
        source->family = DECAP_IPV6;
        __builtin_memcpy(source->bytes, header + 8, 16);
        return ETHERNET_LENGTH + IPV6_LENGTH;
    }
    return 0;
}

/* Puts `wanted` in place of the MSS at `at` of the TCP header at `tcp`. */
static __always_inline void store_mss(
    struct __sk_buff* skb, __u32 tcp, __u32 at, __u16 before, __u16 wanted) {
    /* The checksum adds words that begin at even places (RFC 1071): behind an odd number of NOPs
     * the two bytes of the MSS change their places in the sum. The helper leaves a checksum alone
     * that the NIC is to complete. */
    const __u16 from = at & 1 ? before : bpf_htons(before);
    const __u16 to = at & 1 ? wanted : bpf_htons(wanted);
    const __u16 stored = bpf_htons(wanted);
    if (bpf_l4_csum_replace(skb, tcp + 16, from, to, sizeof to) == 0) {
        (void)bpf_skb_store_bytes(skb, tcp + at, &stored, sizeof stored, 0);
    }
}

SEC("tc")
int clamp(struct __sk_buff* skb) {
    struct decap_address source = {};
    const __u32 tcp = read_ip(skb, &source);
    __u8 header[CLAMP_BUFFER] = {};
    if (tcp == 0 || bpf_skb_load_bytes(skb, tcp, header, CLAMP_TCP_LENGTH) != 0 ||
        (header[13] & CLAMP_SYN_ACK) != CLAMP_SYN_ACK ||
        !bpf_map_lookup_elem(&clamp_vips, &source)) {
        return TC_ACT_UNSPEC;
    }
    const __u32 only = 0;
    const struct clamp_mss* limits = bpf_map_lookup_elem(&clamp_limits, &only);
    const __u32 header_bytes = (header[12] >> 4) * 4U;
    if (!limits || header_bytes < CLAMP_TCP_LENGTH) {
        return counted(CLAMP_MALFORMED);
    }
    const __u32 option_bytes = (header_bytes - CLAMP_TCP_LENGTH) & 0x3FU;
    if (option_bytes == 0) {
        return counted(CLAMP_NO_OPTION);
    }
    /* The verifier of Linux 6.1 does not learn from "!= 0" that a length is at least 1, only from
     * bounds; and the compiler must not put the two together again. */
    __u64 last_byte = option_bytes - 1;
    barrier_var(last_byte);
    if (last_byte >= CLAMP_TCP_LONGEST - CLAMP_TCP_LENGTH ||
        bpf_skb_load_bytes(
            skb, tcp + CLAMP_TCP_LENGTH, header + CLAMP_TCP_LENGTH, (__u32)(last_byte + 1)) != 0) {
        return counted(CLAMP_MALFORMED);
    }
    const int at = clamp_find_mss(header, header_bytes);
    if (at <= 0) {
        return counted(at == 0 ? CLAMP_NO_OPTION : CLAMP_MALFORMED);
    }
    const __u32 place = (__u32)at & (CLAMP_BUFFER - 1);
    const __u16 mss = (__u16)(header[place] << 8 | header[(place + 1) & (CLAMP_BUFFER - 1)]);
    const __u16 wanted = source.family == DECAP_IPV4 ? limits->ipv4 : limits->ipv6;
    if (wanted == 0 || mss <= wanted) {
        return counted(CLAMP_LOW_ENOUGH);
    }
    store_mss(skb, tcp, place, mss, wanted);
    return counted(CLAMP_LOWERED);
}

char clamp_license[] SEC("license") = "BSD";
