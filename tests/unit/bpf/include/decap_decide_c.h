/* bpf/include/decap_decide.h, compiled as C as the BPF compiler does, for a test in C++.
 *
 * The order of the calls is decap.bpf.c's; what its maps decide is left to the caller.
 */
#pragma once

#include <linux/types.h>

#include "bpf/abi/decap.h"

#ifdef __cplusplus
extern "C" {
#endif

struct DecapDecision {
    int is_tunnel;
    enum decap_outcome outcome; /* when is_tunnel */
    struct decap_address source, destination, vip;
    __u32 inner_at; /* when the outcome is DECAP_DECAPSULATED */
    __u32 family;   /* likewise; of the inner packet */
    int ecn;        /* likewise; -1 if the packet has to be dropped for it */
};

/* Reads at most `size` bytes; the frame is said to be `frame_length` long. */
struct DecapDecision decap_decide(const __u8* frame, __u32 size, __u32 frame_length);

/* Sets the ECN bits of the IP header at `header`. */
void decap_set_ecn(__u8* header, __u8 ecn);

#ifdef __cplusplus
}
#endif
