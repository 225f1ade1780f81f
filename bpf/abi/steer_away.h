/* What bpf/steer.bpf.c knows of services while no engine runs: the layout of five maps, which
 * outlive it. The engine's control thread fills them from `tables` (dp/engine/away_mirror.h); the
 * last one is written by all its threads.
 *
 *     services   address, protocol and port -> what may be done with a service's packets
 *     rings      one ring a service: slot -> backend, and whether the slot is settled
 *     backends   by the index that the rings name
 *     ports      by the number that the backends name
 *     beat       when a thread of an engine that forwards was last seen to turn
 *
 * Theory of operation
 *
 * A flow goes where the flow table remembers it, else where the ring says. The program has the ring
 * alone. A SYN begins a flow, so the ring is right for it. Any other packet may belong to a flow
 * that began when its slot had another owner; so it goes by the ring only if its slot is settled:
 *
 *     A1. A slot is settled only where no entry of any flow table names another backend of the
 *         service than the slot's owner. So a flow table would send a settled slot's packet to the
 *         owner, or would not know it and ask the ring: the same.
 *     A2. A slot that changes its owner is stored with the new owner and not settled, in one store.
 *     A3. Who has died cannot settle: what is not settled then, stays so until the next engine.
 *     A4. An engine none of whose threads has turned for steer_interface::late_ns counts as away,
 *         though its sockets are there: it was stopped, or is dying, which takes its memory first
 *         and then closes one socket after the other. What only an engine can decide waits in its
 *         socket. By A1 one that was merely late goes on with the same.
 *     A5. Rings get a generation before any worker may follow it; and a backend that changes is not
 *         usable from before the first ring changes until after the last has. So no flow that the
 *         engine begins is astray in a slot that counts as settled, and no ring is read with
 *         another generation's backends: program and engine may forward at the same moment.
 *
 * All maps but the services are mapped by the control thread and written in place, and each word is
 * whole in itself. A record of several words is made unusable first and usable last, so that an
 * engine that dies between leaves one that is not used.
 *
 * Plain C, read by the BPF compiler and by C++. Addresses are in network byte order.
 */
#pragma once

#include <linux/types.h>

enum {
    STEER_MAX_SERVICES = 4096,
    STEER_MAX_RINGS = 64,     /* services that are forwarded: 8 MiB of rings */
    STEER_RING_SLOTS = 65537, /* of the largest ring */
    STEER_MAX_BACKENDS = 16384,
    STEER_MAX_PORTS = 16,
};

struct steer_beat {
    __u64 coarse_ns; /* CLOCK_MONOTONIC_COARSE; 0: before the first engine */
};

/* What a service's packets get while no engine runs. */
enum steer_service_kind {
    STEER_SERVICE_HELD,      /* only the engine can decide: dropped */
    STEER_SERVICE_FORWARDED, /* by its ring */
    STEER_SERVICE_NO_ROOM,   /* could be forwarded, but all rings are taken: dropped */
};

enum steer_service_mode {
    STEER_MODE_L2 = 1,
    STEER_MODE_IPIP = 2,
};

struct steer_service_key {
    __u8 vip[16]; /* as struct steer_address */
    __be16 port;  /* 0: the service of any port */
    __u8 protocol;
    __u8 zero;
};

struct steer_service {
    __u64 seed; /* of the flow hash */
    __u32 ring;
    __u32 ring_entries; /* at most STEER_RING_SLOTS, and not 0 where it is forwarded */
    __u8 kind;          /* enum steer_service_kind */
    __u8 mode;          /* enum steer_service_mode */
    __u8 source_bits;   /* of the client's address that choose the slot; 0: the 5-tuple does */
    __u8 zero[5];
};

/* A slot: the backend's index in the low bits, and flags. */
enum {
    STEER_SLOT_BACKEND = 0x3FFF,
    STEER_SLOT_EMPTY = 0x4000, /* it has no backend */
    STEER_SLOT_SETTLED = 0x8000,
};

struct steer_ring {
    __u16 slots[STEER_RING_SLOTS + 3]; /* whole words of 64 bits */
};

/* A backend's word: bits 0..47 its MAC, first byte on the wire in bits 0..7; 48..51 its port; 63
 * set if packets may go there. */
#define STEER_BACKEND_USABLE (1ULL << 63)
enum {
    STEER_BACKEND_PORT_SHIFT = 48,
    STEER_BACKEND_PORT_MASK = 0xF,
};

struct steer_backend {
    __u64 word;
    __u32 mtu_bytes; /* of the path to it, outer headers included */
    __u32 zero;
    __u8 address[16]; /* where a tunnel ends; IPv4 as ::ffff:a.b.c.d */
};

struct steer_port {
    __u32 ifindex;      /* 0: nothing leaves here */
    __u32 mtu_bytes;    /* largest IP packet, without the Ethernet header */
    __u8 mac[6];        /* source of what leaves here */
    __u16 vlan;         /* in host order; 0: untagged */
    __u8 source_v4[16]; /* outer sources of tunnels, as above; all 0: there is none */
    __u8 source_v6[16];
    /* Low bits of the outer source that the flow hash fills, above them the prefix; 0: none. */
    __u8 entropy_v4;
    __u8 entropy_v6;
    __u16 zero;
    __u32 prefix_v4; /* in host order */
    __be32 prefix_v6[3];
    __u32 zero_too;
};

#ifdef __cplusplus
static_assert(sizeof(steer_service_key) == 20 && sizeof(steer_service) == 24);
static_assert(sizeof(steer_ring) == 131080 && sizeof(steer_backend) == 32);
static_assert(sizeof(steer_port) == 72 && sizeof(steer_beat) == 8);
#else
_Static_assert(sizeof(struct steer_service_key) == 20, "key of the map of services");
_Static_assert(sizeof(struct steer_service) == 24, "value of the map of services");
_Static_assert(sizeof(struct steer_ring) == 131080, "value of the map of rings");
_Static_assert(sizeof(struct steer_backend) == 32, "value of the map of backends");
_Static_assert(sizeof(struct steer_port) == 72, "value of the map of ports");
_Static_assert(sizeof(struct steer_beat) == 8, "value of the map of the beat");
#endif
