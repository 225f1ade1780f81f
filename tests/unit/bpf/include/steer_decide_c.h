/* bpf/include/steer_decide.h, compiled as C as the BPF compiler does, for tests in C++.
 *
 * The order of the calls is steer.bpf.c's, and its maps are plain memory.
 */
#pragma once

#include "bpf/abi/steer_away.h"

#ifdef __cplusplus
extern "C" {
#endif

struct SteerMaps {
    const struct steer_ring* rings;
    const struct steer_backend* backends;
    const struct steer_port* ports;
    /* The record of exactly this key, or null. */
    const struct steer_service* (*find)(void* services, const struct steer_service_key* key);
    void* services;
};

/* What steer does with an untagged frame for a VIP while no engine runs: the bytes of the frame
 * that leaves, which begins at *start; 0 if it is dropped, and not changed then. Requires writable
 * room for a tunnel's header before the frame. */
__u32 steer_forward(const struct SteerMaps* maps, __u8* frame, __u32 bytes, __u8** start);

#ifdef __cplusplus
}
#endif
