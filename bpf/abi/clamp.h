/* What bpf/clamp.bpf.c and its loader have in common.
 *
 * Plain C, read by the BPF compiler and by C++. VIPs are keys as in bpf/abi/decap.h; numbers are in
 * the order of the host.
 */
#pragma once

#include <linux/types.h>

#include "bpf/abi/decap.h"

/* The largest segments that the tunnels carry. 0 leaves that family alone. */
struct clamp_mss {
    __u16 ipv4;
    __u16 ipv6;
};

/* What can become of a SYN-ACK from a VIP; the index of its counter. Other packets are not counted.
 */
#define CLAMP_OUTCOMES(OUTCOME)                                                               \
    OUTCOME(LOWERED, "lowered", "The MSS was larger than a tunnel carries, and was lowered.") \
    OUTCOME(LOW_ENOUGH, "low-enough", "The MSS fits already.")                                \
    OUTCOME(NO_OPTION, "no-option", "Without an MSS the client sends the least there is.")    \
    OUTCOME(MALFORMED, "malformed", "The TCP header is broken; sent as it is.")

#define CLAMP_ENUMERATOR(name, text, meaning) CLAMP_##name,
enum clamp_outcome {
    CLAMP_OUTCOMES(CLAMP_ENUMERATOR) CLAMP_OUTCOME_COUNT
};
#undef CLAMP_ENUMERATOR

/* For an array of names by outcome. */
#define CLAMP_TEXT(name, text, meaning) text,
