/* The header as a C program and as a BPF program sees it; compiled for both. Each function hashes
 * the same bytes that the C++ test hashes, so that the three languages can be compared. */
#include "bpf/abi/flow_hash.h"

__u64 flow_hash_v4_in_c(__u64 seed, __u32 saddr, __u32 daddr, __u16 sport, __u16 dport);
__u64 flow_hash_v6_in_c(__u64 seed, const __u8* saddr, const __u8* daddr, __u16 sport, __u16 dport);

__u64 flow_hash_v4_in_c(__u64 seed, __u32 saddr, __u32 daddr, __u16 sport, __u16 dport) {
    return fl_flow_hash_v4(seed, saddr, daddr, sport, dport, 6);
}

__u64 flow_hash_v6_in_c(
    __u64 seed, const __u8* saddr, const __u8* daddr, __u16 sport, __u16 dport) {
    return fl_flow_hash_v6(seed, saddr, daddr, sport, dport, 17);
}
