/* bpf/include/clamp_decide.h, compiled as C as the BPF compiler does, for a test in C++. */
#pragma once

#include <linux/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* clamp_find_mss(); requires header_bytes bytes at `header`. */
int clamp_find(const __u8* header, __u32 header_bytes);

#ifdef __cplusplus
}
#endif
