/* What bpf/decap.bpf.c and its loader have in common: the keys of its maps and the names of its
 * counters.
 *
 * Plain C, read by the BPF compiler and by C++. Addresses are in network byte order; lengths and
 * indices in the order of the host, which loads the program for itself.
 */
#pragma once

#include <linux/types.h>

/* The family is part of the key, so that ::ffff:192.0.2.1 in an IPv6 header is never taken for
 * 192.0.2.1. */
enum decap_family {
    DECAP_IPV4 = 4,
    DECAP_IPV6 = 6,
};

struct decap_address {
    __u32 family;   /* enum decap_family */
    __u8 bytes[16]; /* IPv4 in the first four, the others 0 */
};

/* Key of an LPM trie (BPF_MAP_TYPE_LPM_TRIE): prefix_bits counts the family's 32 bits too. The
 * family is compared first and whole, hence any byte order does. */
struct decap_prefix {
    __u32 prefix_bits;
    struct decap_address address;
};

enum {
    DECAP_FAMILY_BITS = 32
};

/* What can become of a tunnel packet that is for this host: enumerator, name in logs, and what it
 * means to the operator. Packets that are no tunnel of ours go to the kernel untouched and are not
 * counted. */
#define DECAP_OUTCOMES(OUTCOME)                                                                    \
    OUTCOME(DECAPSULATED, "decapsulated", "Unpacked and handed to the kernel.")                    \
    OUTCOME(SOURCE_NOT_ALLOWED,                                                                    \
            "source-not-allowed",                                                                  \
            "The tunnel does not come from a balancer; name the balancer with --balancer.")        \
    OUTCOME(OUTER_FRAGMENT,                                                                        \
            "outer-fragment",                                                                      \
            "The tunnel packet was cut on the way; raise the MTU between balancer and backend.")   \
    OUTCOME(                                                                                       \
        OUTER_MALFORMED,                                                                           \
        "outer-malformed",                                                                         \
        "The outer headers lie about their length or a checksum is wrong or missing; look for "    \
        "a faulty link.")                                                                          \
    OUTCOME(UNKNOWN_TUNNEL,                                                                        \
            "unknown-tunnel",                                                                      \
            "GRE or GUE with a version, option or content that no balancer of this version "       \
            "sends; bring lbagent up to the balancers' version, or look who else tunnels.")        \
    OUTCOME(INNER_MALFORMED,                                                                       \
            "inner-malformed",                                                                     \
            "What is inside is no whole IP packet of the announced version.")                      \
    OUTCOME(INNER_NOT_VIP,                                                                         \
            "inner-not-vip",                                                                       \
            "The packet inside is for an address that is no VIP here; name it with --vip.")        \
    OUTCOME(CONGESTION_UNMARKABLE,                                                                 \
            "congestion-unmarkable",                                                               \
            "Marked as congested on the way, which a sender without ECN learns by loss only (RFC " \
            "6040).")

#define DECAP_ENUMERATOR(name, text, meaning) DECAP_##name,
enum decap_outcome {
    DECAP_OUTCOMES(DECAP_ENUMERATOR) DECAP_OUTCOME_COUNT
};
#undef DECAP_ENUMERATOR

/* For an array of {name, meaning} by outcome. */
#define DECAP_TEXT(name, text, meaning) {text, meaning},

#ifdef __cplusplus
static_assert(sizeof(decap_address) == 20 && sizeof(decap_prefix) == 24);
#else
_Static_assert(sizeof(struct decap_address) == 20, "key of the address maps");
_Static_assert(sizeof(struct decap_prefix) == 24, "key of the balancers' trie");
#endif
