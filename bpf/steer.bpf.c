/* Divides what arrives on an AF_XDP port between the engine and the kernel, at the driver's receive
 * hook (XDP).
 *
 * A frame that is addressed to this host and holds an IP packet for a VIP goes to the socket of the
 * queue on which it came, and so does a question for a VIP's MAC address; everything else goes to
 * the kernel untouched: other ARP and neighbor discovery, SSH, BGP, frames that are cut short.
 * Where the port has a VLAN, this is so for the frames with its tag, and all others are the
 * kernel's; where it has none, frames with a VLAN's tag are. A socket leaves `xsks_map` by itself
 * when its process has died. While the engine is away, what the ring alone decides rightly
 * goes to its backend from here (bpf/abi/steer_away.h); all else for a VIP waits in the socket, or
 * is dropped and counted where there is none, and the senders try again. The kernel never sees it,
 * since it would answer with a reset.
 *
 * The engine's control thread alone writes the maps, through bpf/loader.
 */
#include "bpf/abi/steer.h"

#include <linux/bpf.h>
#include <linux/if_ether.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bpf/abi/steer_away.h"
#include "bpf/include/steer_decide.h"

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

/* For the time without an engine, of all interfaces (bpf/abi/steer_away.h). */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, STEER_MAX_SERVICES);
    __type(key, struct steer_service_key);
    __type(value, struct steer_service);
} steer_services SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, STEER_MAX_RINGS);
    __type(key, __u32);
    __type(value, struct steer_ring);
} steer_rings SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, STEER_MAX_BACKENDS);
    __type(key, __u32);
    __type(value, struct steer_backend);
} steer_backends SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, STEER_MAX_PORTS);
    __type(key, __u32);
    __type(value, struct steer_port);
} steer_ports SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct steer_beat);
} steer_beat SEC(".maps");

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

/* Whether this host is the virtual router of this MAC address at the moment (RFC 5798, 7.3). */
static __always_inline int is_virtual_router(const __u8* destination,
                                             const struct steer_interface* self) {
    if (destination[0] != 0 || destination[1] != 0 || destination[2] != 0x5E ||
        destination[3] != 0 || (destination[4] != 1 && destination[4] != 2)) {
        return 0;
    }
    const __u32 bit = (destination[4] - 1) * 256 + destination[5];
    return (int)(self->virtual_macs[(bit / 64) & 7] >> (bit % 64) & 1);
}

/* Switches flood frames whose place they do not know, and a promiscuous or virtual interface takes
 * them all in: another balancer's traffic to its backend must not be balanced again. */
static __always_inline int is_for_this_host(const __u8* destination,
                                            const struct steer_interface* self) {
    for (int i = 0; i < ETH_ALEN; ++i) {
        if (destination[i] != self->mac[i]) {
            return is_virtual_router(destination, self);
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

/* Whether the engine has shown life a moment ago (bpf/abi/steer_away.h, A4). */
static __always_inline int is_engine_turning(const struct steer_interface* self) {
    const __u32 only = 0;
    const struct steer_beat* beat = bpf_map_lookup_elem(&steer_beat, &only);
    return !beat || (__s64)(bpf_ktime_get_coarse_ns() - beat->coarse_ns) < self->late_ns;
}

/* Whether the packet went to its queue's socket. */
static __always_inline int is_taken_by_engine(struct xdp_md* context) {
    if (bpf_redirect_map(&xsks_map, context->rx_queue_index, XDP_DROP) != XDP_REDIRECT) {
        return 0;
    }
    count(STEER_ENGINE);
    return 1;
}

static __always_inline int drop(enum steer_outcome outcome) {
    count(outcome);
    return XDP_DROP;
}

/* What only the engine can decide: to its socket, if there is one, or lost for this reason. */
static __always_inline int leave_to_engine(struct xdp_md* context, enum steer_outcome reason) {
    return is_taken_by_engine(context) ? XDP_REDIRECT : drop(reason);
}

/* The service of exactly this port, else that of any port. A VIP with ranges has none of any port
 * here: a range would go before it. */
static __always_inline const struct steer_service* find_service(const struct steer_address* vip,
                                                                const struct steer_packet* packet) {
    struct steer_service_key key = {.port = packet->destination_port, .protocol = packet->protocol};
    __builtin_memcpy(key.vip, vip->bytes, sizeof key.vip);
    const struct steer_service* service = bpf_map_lookup_elem(&steer_services, &key);
    if (!service) {
        key.port = 0;
        service = bpf_map_lookup_elem(&steer_services, &key);
    }
    return service;
}

/* How the packet leaves by the ring of a service that is forwarded; 0: only the engine can tell. */
static __always_inline int find_way(const struct steer_service* service,
                                    const struct content* content,
                                    const struct steer_packet* packet,
                                    __u16 control,
                                    struct steer_way* way) {
    const __u64 hash = steer_flow_hash(service->seed, content->start, packet);
    const __u32 slot = steer_slot(service, content->start, packet, hash);
    const __u32 number = service->ring;
    const struct steer_ring* ring = bpf_map_lookup_elem(&steer_rings, &number);
    if (!ring || slot >= STEER_RING_SLOTS) {
        return 0;
    }
    const __u16 owner = ring->slots[slot];
    if (!steer_may_follow(owner, packet)) {
        return 0;
    }
    const __u32 index = owner & STEER_SLOT_BACKEND;
    const struct steer_backend* backend = bpf_map_lookup_elem(&steer_backends, &index);
    if (!backend) {
        return 0;
    }
    const __u32 leaving = (backend->word >> STEER_BACKEND_PORT_SHIFT) & STEER_BACKEND_PORT_MASK;
    const struct steer_port* port = bpf_map_lookup_elem(&steer_ports, &leaving);
    return port && steer_plan_way(packet, service, backend, port, hash, control, way);
}

/* The frame as it leaves: grown or shrunk at its front, padding cut off or added, headers written.
 * By another interface it is redirected; XDP_TX is what every driver has for its own. */
static __always_inline int send(struct xdp_md* context,
                                __u32 header_bytes,
                                __u16 type,
                                const struct steer_way* way) {
    const __u32 leaving_bytes =
        STEER_ETHERNET_BYTES + (way->tag ? STEER_TAG_BYTES : 0) + way->outer_bytes;
    const int growth = (int)leaving_bytes - (int)header_bytes;
    if (growth != 0 && bpf_xdp_adjust_head(context, -growth) != 0) {
        return drop(STEER_NO_SOCKET);
    }
    const long missing = (long)way->frame_bytes - ((long)context->data_end - (long)context->data);
    if (missing != 0 && bpf_xdp_adjust_tail(context, (int)missing) != 0) { /* grows by zeros */
        return drop(STEER_NO_SOCKET);
    }
    if (!steer_write_frame((__u8*)(long)context->data, (__u8*)(long)context->data_end, type, way)) {
        return drop(STEER_NO_SOCKET);
    }
    count(STEER_AWAY);
    return way->ifindex == context->ingress_ifindex ? XDP_TX : (int)bpf_redirect(way->ifindex, 0);
}

/* A VIP's packet while the engine is away. */
static __always_inline int forward_away(struct xdp_md* context,
                                        const struct content* content,
                                        const struct steer_address* vip) {
    __u8* data = (__u8*)(long)context->data;
    const __u8* data_end = (const __u8*)(long)context->data_end;
    const int is_v6 = content->type == bpf_htons(ETH_P_IPV6);
    struct steer_packet packet;
    struct steer_way way;
    if (!steer_read_packet(content->start, data_end, is_v6, &packet)) {
        return leave_to_engine(context, STEER_NO_SOCKET);
    }
    const struct steer_service* service = find_service(vip, &packet);
    if (!service || service->kind != STEER_SERVICE_FORWARDED) {
        return leave_to_engine(
            context,
            service && service->kind == STEER_SERVICE_NO_ROOM ? STEER_NO_ROOM : STEER_NO_SOCKET);
    }
    const int is_tagged = content->start != data + ETH_HLEN;
    const __u16 control = is_tagged ? steer_load16(data + ETH_HLEN) : 0;
    if (!find_way(service, content, &packet, control, &way)) {
        return leave_to_engine(context, STEER_NO_SOCKET);
    }
    if (way.outer_bytes != 0) {
        steer_pass_hop((__u8*)content->start, is_v6);
    }
    return send(
        context, ETH_HLEN + (is_tagged ? TAG_BYTES : 0), is_v6 ? ETH_P_IPV6 : ETH_P_IP, &way);
}

SEC("xdp.frags")
int steer(struct xdp_md* context) {
    const __u8* data = (const __u8*)(long)context->data;
    const __u8* data_end = (const __u8*)(long)context->data_end;
    const __u32 only = 0;
    const struct steer_interface* self = bpf_map_lookup_elem(&steer_self, &only);
    struct content content;
    struct steer_address destination;
    if (self && read_content(data, data_end, self, &content)) {
        if (read_destination(&content, data_end, &destination) &&
            bpf_map_lookup_elem(&steer_vips, &destination) && is_for_this_host(data, self)) {
            return is_engine_turning(self) && is_taken_by_engine(context)
                       ? XDP_REDIRECT
                       : forward_away(context, &content, &destination);
        }
        if (read_question(data, &content, data_end, self, &destination) &&
            bpf_map_lookup_elem(&steer_vips, &destination)) {
            return leave_to_engine(context, STEER_NO_SOCKET);
        }
    }
    count(STEER_KERNEL);
    return XDP_PASS;
}

char steer_license[] SEC("license") = "Dual BSD/GPL";
