/* bpf/include/decap_decide.h, compiled as C as the BPF compiler does, for a test in C++.
 *
 * The order of the calls is decap.bpf.c's; what its maps decide is left to the caller.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "bpf/abi/decap.h"

#ifdef __cplusplus
extern "C" {
#endif

struct decap_decision {
    int is_tunnel;
    enum decap_outcome outcome; /* when is_tunnel */
    struct decap_address source, destination, vip;
    size_t inner_at; /* when the outcome is DECAP_DECAPSULATED */
    int ecn;         /* likewise; -1 if the packet has to be dropped for it */
};

/* Reads at most `size` bytes; the frame is said to be `frame_length` long. */
struct decap_decision decap_decide(const uint8_t* frame, size_t size, uint32_t frame_length);

/* Sets the ECN bits of the IP header at `header`. */
void decap_set_ecn(uint8_t* header, uint8_t ecn);

#ifdef __cplusplus
}
#endif
