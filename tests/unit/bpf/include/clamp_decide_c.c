#include "tests/unit/bpf/include/clamp_decide_c.h"

#include "bpf/include/clamp_decide.h"

int clamp_find(const __u8* header, __u32 header_bytes) {
    return clamp_find_mss(header, header_bytes);
}
