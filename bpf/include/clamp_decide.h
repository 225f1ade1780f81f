/* The decisions of bpf/clamp.bpf.c, without maps and helpers, so that user space can run the same
 * code on any input.
 *
 * Sources: RFC 9293 3.1 and 3.2 (TCP header and options), 3.7.1 (MSS), RFC 1624 is the kernel's.
 */
#pragma once

#include <linux/types.h>

enum {
    CLAMP_TCP_LENGTH = 20,  /* without options */
    CLAMP_TCP_LONGEST = 60, /* 15 words */
    CLAMP_BUFFER = 64,      /* a power of two, so that the verifier sees every index bounded */
    CLAMP_OPTION_END = 0,
    CLAMP_OPTION_NOP = 1,
    CLAMP_OPTION_MSS = 2,
    CLAMP_MSS_LENGTH = 4,
    CLAMP_SYN_ACK = 0x12,
    CLAMP_MALFORMED_HEADER = -1,
};

/* Where in the header the MSS stands, 0 if it has none, or CLAMP_MALFORMED_HEADER. `header` has
 * CLAMP_TCP_LONGEST bytes, of which the first header_bytes are the TCP header with its options.
 *
 * Every byte is visited, those of an option that is passed over too: so each index is a constant to
 * the kernel's verifier, which would follow every length of every option otherwise. */
static __always_inline int clamp_find_mss(const __u8* header, __u32 header_bytes) {
    __u32 skip = 0;
    if (header_bytes < CLAMP_TCP_LENGTH || header_bytes > CLAMP_TCP_LONGEST) {
        return CLAMP_MALFORMED_HEADER;
    }
    for (__u32 at = CLAMP_TCP_LENGTH; at < CLAMP_TCP_LONGEST && at < header_bytes; ++at) {
        if (skip > 0) {
            --skip;
            continue;
        }
        const __u8 kind = header[at];
        if (kind == CLAMP_OPTION_END) {
            return 0;
        }
        if (kind == CLAMP_OPTION_NOP) {
            continue;
        }
        if (at + 1 >= header_bytes) {
            return CLAMP_MALFORMED_HEADER;
        }
        const __u32 length = header[at + 1];
        if (length < 2 || length > header_bytes - at) {
            return CLAMP_MALFORMED_HEADER;
        }
        if (kind == CLAMP_OPTION_MSS) {
            return length == CLAMP_MSS_LENGTH ? (int)(at + 2) : CLAMP_MALFORMED_HEADER;
        }
        skip = length - 1;
    }
    return 0;
}
