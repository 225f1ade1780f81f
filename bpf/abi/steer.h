/* What bpf/steer.bpf.c and its loader have in common: the keys of its maps and the names of its
 * counters.
 *
 * Plain C, read by the BPF compiler and by C++. Addresses are in network byte order.
 */
#pragma once

#include <linux/types.h>

/* A VIP. IPv4 stands in it as ::ffff:a.b.c.d, the form of IpAddress (dp/net/ip_address.h). */
struct steer_address {
    __u8 bytes[16];
};

/* What the program must know of the interface on which it runs. */
struct steer_interface {
    __u8 mac[6]; /* frames to another address are not for this host */
    __u16 vlan;  /* in host order: what is for the engine has this tag; 0: it has none */
    /* But to these, of virtual routers: 00:00:5e:00:01:NN is bit NN, 00:00:5e:00:02:NN bit 256 +
     * NN, of 64 a word (dp/net/virtual_macs.h). */
    __u64 virtual_macs[8];
    __u32 late_ns; /* an engine without a beat for so long is away (steer_away.h, A4) */
    __u32 zero;
};

/* What becomes of a frame; the index of its counter. */
enum steer_outcome {
    STEER_KERNEL,    /* not for a VIP: to the kernel, untouched */
    STEER_ENGINE,    /* for a VIP: to the socket of the queue on which it came */
    STEER_NO_SOCKET, /* for a VIP, no engine polls that queue, and only an engine could decide:
                      * dropped, the sender tries again */
    STEER_AWAY,      /* for a VIP, no engine polls that queue: sent to its backend all the same */
    STEER_NO_ROOM,   /* could have been sent so, but its service's ring had no room: dropped */
    STEER_OUTCOME_COUNT
};

enum {
    STEER_MAX_VIPS = 4096,  /* as many as there can be services */
    STEER_MAX_QUEUES = 128, /* as many as there can be workers */
};

#ifdef __cplusplus
static_assert(sizeof(steer_address) == 16 && sizeof(steer_interface) == 80);
#else
_Static_assert(sizeof(struct steer_address) == 16, "key of the map of VIPs");
_Static_assert(sizeof(struct steer_interface) == 80, "value of the interface's map");
#endif
