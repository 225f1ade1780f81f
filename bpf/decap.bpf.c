/* Takes the balancers' tunnels apart on a backend, at the driver's receive hook (XDP): IP in IP,
 * GRE and GUE, each between any two families.
 *
 * A frame is unpacked when it is addressed to this host, comes from a balancer and holds a packet
 * for a VIP. The kernel then sees the client's own packet, and answers it directly. Other tunnel
 * packets for this host are dropped and counted: handed to the kernel, a loaded ipip, ip6_tunnel,
 * sit, gre or fou module would unpack them without asking who sent them. Everything that is no
 * tunnel for this host goes to the kernel untouched.
 *
 * Fragments of a tunnel packet are dropped: XDP runs before reassembly, and the fix is a larger MTU
 * on the way. Fragments *inside* a tunnel packet are whole packets here, and the kernel reassembles
 * them.
 *
 * "xdp.frags" lets large-MTU interfaces attach it in native mode; the headers are always in the
 * first buffer.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "bpf/include/decap_decide.h"

/* The addresses of this host at which tunnels end. The loader sets the sizes. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 1);
    __type(key, struct decap_address);
    __type(value, __u8);
} decap_endpoints SEC(".maps");

/* Who may send tunnels. */
struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(max_entries, 1);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct decap_prefix);
    __type(value, __u8);
} decap_balancers SEC(".maps");

/* For whom the packets inside may be. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 1);
    __type(key, struct decap_address);
    __type(value, __u8);
} decap_vips SEC(".maps");

/* Packets by enum decap_outcome. */
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, DECAP_OUTCOME_COUNT);
    __type(key, __u32);
    __type(value, __u64);
} decap_counters SEC(".maps");

/* The last source whose tunnel was refused, one a CPU: a hint for the log, read without a lock. */
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct decap_address);
} decap_refused_source SEC(".maps");

static __always_inline void count(__u32 outcome) {
    __u64* counter = bpf_map_lookup_elem(&decap_counters, &outcome);
    if (counter) {
        ++*counter;
    }
}

static __always_inline int drop(__u32 outcome) {
    count(outcome);
    return XDP_DROP;
}

static __always_inline void remember_refused(const struct decap_address* source) {
    const __u32 only = 0;
    struct decap_address* last = bpf_map_lookup_elem(&decap_refused_source, &only);
    if (last) {
        *last = *source;
    }
}

/* Takes `bytes` of headers out behind the Ethernet addresses, and sets type and congestion mark of
 * the packet that comes to light. Returns 0, or -1 and the frame is spoiled. */
static __always_inline int strip(struct xdp_md* ctx, __u32 bytes, __u32 family, __u8 ecn) {
    __u8 addresses[2 * ETH_ALEN];
    const __u8* old_data = (const __u8*)(long)ctx->data;
    if (old_data + sizeof addresses > (const __u8*)(long)ctx->data_end) {
        return -1;
    }
    __builtin_memcpy(addresses, old_data, sizeof addresses);
    if (bpf_xdp_adjust_head(ctx, (int)bytes) != 0) {
        return -1;
    }
    __u8* data = (__u8*)(long)ctx->data;
    __u8* inner = data + DECAP_ETHERNET_LENGTH;
    if (inner + DECAP_IPV4_LENGTH > (const __u8*)(long)ctx->data_end) {
        return -1;
    }
    __builtin_memcpy(data, addresses, sizeof addresses);
    const __u16 ethertype = family == DECAP_IPV4 ? ETH_P_IP : ETH_P_IPV6;
    data[12] = (__u8)(ethertype >> 8);
    data[13] = (__u8)ethertype;
    if (family == DECAP_IPV4) {
        decap_set_ecn_ipv4(inner, ecn);
    } else {
        decap_set_ecn_ipv6(inner, ecn);
    }
    return 0;
}

SEC("xdp.frags")
int decap(struct xdp_md* ctx) {
    const __u8* data = (const __u8*)(long)ctx->data;
    const __u8* data_end = (const __u8*)(long)ctx->data_end;
    struct decap_tunnel tunnel = {};
    if (!decap_read_outer(data, data_end, &tunnel) ||
        !bpf_map_lookup_elem(&decap_endpoints, &tunnel.destination)) {
        return XDP_PASS;
    }
    const struct decap_prefix source = {
        .prefix_bits = DECAP_FAMILY_BITS + 8 * sizeof tunnel.source.bytes,
        .address = tunnel.source,
    };
    if (!bpf_map_lookup_elem(&decap_balancers, &source)) {
        remember_refused(&tunnel.source);
        return drop(DECAP_SOURCE_NOT_ALLOWED);
    }
    enum decap_outcome outcome =
        decap_check_outer(data, data_end, (__u32)bpf_xdp_get_buff_len(ctx), &tunnel);
    if (outcome != DECAP_DECAPSULATED) {
        return drop(outcome);
    }
    const __u8* middle = data + DECAP_ETHERNET_LENGTH + decap_bounded_header(&tunnel);
    struct decap_content content = {};
    outcome = decap_check_middle(middle, data_end, &tunnel, &content);
    if (outcome != DECAP_DECAPSULATED) {
        return drop(outcome);
    }
    struct decap_address vip = {};
    __u8 inner_ecn = 0;
    outcome = decap_read_inner(middle + decap_bounded_middle(&tunnel),
                               data_end,
                               content.room,
                               content.family,
                               &vip,
                               &inner_ecn);
    if (outcome != DECAP_DECAPSULATED) {
        return drop(outcome);
    }
    if (!bpf_map_lookup_elem(&decap_vips, &vip)) {
        return drop(DECAP_INNER_NOT_VIP);
    }
    const int ecn = decap_merge_ecn(inner_ecn, tunnel.ecn);
    if (ecn == DECAP_DROP_ECN) {
        return drop(DECAP_CONGESTION_UNMARKABLE);
    }
    /* Cannot fail after the checks above; if it did, the frame would be no use to the kernel. */
    if (strip(ctx, tunnel.header_bytes + tunnel.middle_bytes, content.family, (__u8)ecn) != 0) {
        return drop(DECAP_INNER_MALFORMED);
    }
    count(DECAP_DECAPSULATED);
    return XDP_PASS;
}

char decap_license[] SEC("license") = "BSD";
