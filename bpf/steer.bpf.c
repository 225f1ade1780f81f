/* Divides what arrives on an AF_XDP port between the engine and the kernel, at the driver's receive
 * hook (XDP).
 *
 * A frame that is addressed to this host and holds an IP packet for a VIP goes to the socket of the
 * queue on which it came, and so does a question for a VIP's MAC address; everything else goes to
 * the kernel untouched: other ARP and neighbor discovery, SSH, BGP, frames that are cut short.
 * Where the port has a VLAN, this is so for the frames with its tag, and all others are the
 * kernel's; where it has none, frames with a VLAN's tag are. While no engine polls the queue,
 * packets for a VIP are dropped and counted, and the senders try again; the kernel never sees them,
 * since it would answer them with a reset. A socket leaves `xsks_map` by itself when its process
 * dies.
 *
 * The engine's control thread alone writes the maps, through bpf/loader.
 *
 * The names `xsk_def_prog`, `xsk_prog_version` and `xsks_map` are libxdp's: by them it finds that
 * the program on the interface can feed AF_XDP sockets, and puts the sockets into its map instead
 * of attaching a program of its own. Its variable `refcnt` is left out: without it libxdp never
 * takes the program off, which is what a program that outlives the engine needs.
 */
#include "bpf/abi/steer.h"

#include <linux/bpf.h>
#include <linux/if_ether.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

enum {
    TAG_BYTES = 4, /* IEEE 802.1Q, 9.3: a type, and 16 bits of which the last 12 are the VLAN */
    TAG_VLAN = 0x0FFF,
    IPV4_HEADER_BYTES = 20,
    IPV4_DESTINATION = 16,
    IPV6_HEADER_BYTES = 40,
    IPV6_DESTINATION = 24,
    ARP_BYTES = 28, /* for IPv4 over Ethernet: RFC 826 */
    ARP_OPERATION = 6,
    ARP_REQUEST = 1,
    ARP_TARGET = 24,
    NEXT_ICMPV6 = 58,
    SOLICITATION = 135, /* RFC 4861, 4.3 */
    SOLICITATION_BYTES = 24,
    SOLICITATION_TARGET = 8,
};

int (*xsk_prog_version)[1] SEC("xdp_metadata");

struct {
    __uint(type, BPF_MAP_TYPE_XSKMAP);
    __uint(max_entries, STEER_MAX_QUEUES);
    __type(key, __u32);
    __type(value, __u32);
} xsks_map SEC(".maps");

/* One map for all interfaces of an engine. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, STEER_MAX_VIPS);
    __type(key, struct steer_address);
    __type(value, __u8);
} steer_vips SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct steer_interface);
} steer_self SEC(".maps");

/* Packets by enum steer_outcome. */
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, STEER_OUTCOME_COUNT);
    __type(key, __u32);
    __type(value, __u64);
} steer_counters SEC(".maps");

static __always_inline void count(__u32 outcome) {
    __u64* counter = bpf_map_lookup_elem(&steer_counters, &outcome);
    if (counter) {
        ++*counter;
    }
}

/* What stands behind the Ethernet header, and behind the port's tag if it has a VLAN. One of VLAN 0
 * holds a priority and names no VLAN (IEEE 802.1Q, 6.9): where the port has none, such a frame is
 * as if it had no tag. */
struct content {
    const __u8* start;
    __be16 type;
};

static __always_inline int read_content(const __u8* data,
                                        const __u8* data_end,
                                        const struct steer_interface* self,
                                        struct content* content) {
    const struct ethhdr* ethernet = (const struct ethhdr*)data;
    content->start = data + ETH_HLEN;
    if (content->start > data_end) {
        return 0;
    }
    content->type = ethernet->h_proto;
    if (self->vlan == 0 && content->type != bpf_htons(ETH_P_8021Q)) {
        return 1;
    }
    const __be16* tag = (const __be16*)content->start; /* the 16 bits, then the type behind them */
    content->start += TAG_BYTES;
    if (content->type != bpf_htons(ETH_P_8021Q) || content->start > data_end ||
        (bpf_ntohs(tag[0]) & TAG_VLAN) != self->vlan) {
        return 0;
    }
    content->type = tag[1];
    return 1;
}

/* Switches flood frames whose place they do not know, and a promiscuous or virtual interface takes
 * them all in: another balancer's traffic to its backend must not be balanced again. */
static __always_inline int is_for_this_host(const __u8* destination,
                                            const struct steer_interface* self) {
    for (int i = 0; i < ETH_ALEN; ++i) {
        if (destination[i] != self->mac[i]) {
            return 0;
        }
    }
    return 1;
}

/* The destination of an IP packet; 0 where there is none that could be a VIP. */
static __always_inline int read_destination(const struct content* content,
                                            const __u8* data_end,
                                            struct steer_address* destination) {
    const __u8* packet = content->start;
    if (content->type == bpf_htons(ETH_P_IP)) {
        if (packet + IPV4_HEADER_BYTES > data_end) {
            return 0;
        }
        __builtin_memset(destination->bytes, 0, 10);
        destination->bytes[10] = 0xFF;
        destination->bytes[11] = 0xFF;
        __builtin_memcpy(destination->bytes + 12, packet + IPV4_DESTINATION, 4);
        return 1;
    }
    if (content->type == bpf_htons(ETH_P_IPV6)) {
        if (packet + IPV6_HEADER_BYTES > data_end) {
            return 0;
        }
        __builtin_memcpy(destination->bytes, packet + IPV6_DESTINATION, 16);
        /* An IPv4 address in an IPv6 header is on no wire (RFC 4291, 2.5.5.2), and no VIP. */
        const __u32* words = (const __u32*)destination->bytes;
        return !(words[0] == 0 && words[1] == 0 && words[2] == bpf_htonl(0xFFFF));
    }
    return 0;
}

/* Whether these 16 bytes are a solicited-node group: ff02::1:ff00:0/104 (RFC 4291, 2.7.1). */
static __always_inline int is_solicited_node(const __u8* address) {
    __u32 words[4];
    __builtin_memcpy(words, address, sizeof words);
    return words[0] == bpf_htonl(0xFF020000) && words[1] == 0 && words[2] == bpf_htonl(1) &&
           (words[3] & bpf_htonl(0xFF000000)) == bpf_htonl(0xFF000000);
}

/* The address that an ARP request or a neighbor solicitation to a group asks for, in a frame to a
 * group or to this host; 0 for everything else. The engine answers: a frame that this program sent
 * itself (XDP_TX) would be lost on a veth whose peer has no program, and the engine answers on
 * other ports too. */
static __always_inline int read_question(const __u8* data,
                                         const struct content* content,
                                         const __u8* data_end,
                                         const struct steer_interface* self,
                                         struct steer_address* target) {
    const __u8* packet = content->start;
    if (!(data[0] & 1 || is_for_this_host(data, self))) {
        return 0;
    }
    if (content->type == bpf_htons(ETH_P_ARP)) {
        if (packet + ARP_BYTES > data_end || packet[ARP_OPERATION] != 0 ||
            packet[ARP_OPERATION + 1] != ARP_REQUEST) {
            return 0;
        }
        __builtin_memset(target->bytes, 0, 10);
        target->bytes[10] = 0xFF;
        target->bytes[11] = 0xFF;
        __builtin_memcpy(target->bytes + 12, packet + ARP_TARGET, 4);
        return 1;
    }
    if (content->type == bpf_htons(ETH_P_IPV6)) {
        const __u8* message = packet + IPV6_HEADER_BYTES;
        if (message + SOLICITATION_BYTES > data_end || packet[6] != NEXT_ICMPV6 ||
            message[0] != SOLICITATION || !is_solicited_node(packet + IPV6_DESTINATION)) {
            return 0;
        }
        __builtin_memcpy(target->bytes, message + SOLICITATION_TARGET, 16);
        return 1;
    }
    return 0;
}

static __always_inline int to_engine(struct xdp_md* context) {
    const int action = (int)bpf_redirect_map(&xsks_map, context->rx_queue_index, XDP_DROP);
    count(action == XDP_REDIRECT ? STEER_ENGINE : STEER_NO_SOCKET);
    return action;
}

SEC("xdp.frags")
int xsk_def_prog(struct xdp_md* context) {
    const __u8* data = (const __u8*)(long)context->data;
    const __u8* data_end = (const __u8*)(long)context->data_end;
    const __u32 only = 0;
    const struct steer_interface* self = bpf_map_lookup_elem(&steer_self, &only);
    struct content content;
    struct steer_address destination;
    if (self && read_content(data, data_end, self, &content)) {
        if (read_destination(&content, data_end, &destination) &&
            bpf_map_lookup_elem(&steer_vips, &destination) && is_for_this_host(data, self)) {
            return to_engine(context);
        }
        if (read_question(data, &content, data_end, self, &destination) &&
            bpf_map_lookup_elem(&steer_vips, &destination)) {
            return to_engine(context);
        }
    }
    count(STEER_KERNEL);
    return XDP_PASS;
}

char steer_license[] SEC("license") = "Dual BSD/GPL";
