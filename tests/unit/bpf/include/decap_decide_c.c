#include "tests/unit/bpf/include/decap_decide_c.h"

#include <string.h>

#include "bpf/include/decap_decide.h"

struct DecapDecision decap_decide(const __u8* frame, __u32 size, __u32 frame_length) {
    struct DecapDecision decision;
    struct decap_tunnel tunnel;
    struct decap_content content;
    static const __u8 nothing = 0;
    if (size == 0) {
        frame = &nothing;  // an empty frame may be a null pointer, to which nothing may be added
    }
    const __u8* end = frame + size;
    __u8 ecn = 0;
    memset(&decision, 0, sizeof decision);
    memset(&tunnel, 0, sizeof tunnel);
    memset(&content, 0, sizeof content);
    if (!decap_read_outer(frame, end, &tunnel)) {
        return decision;
    }
    decision.is_tunnel = 1;
    decision.source = tunnel.source;
    decision.destination = tunnel.destination;
    decision.outcome = decap_check_outer(frame, end, frame_length, &tunnel);
    if (decision.outcome != DECAP_DECAPSULATED) {
        return decision;
    }
    decision.inner_at = DECAP_ETHERNET_LENGTH + decap_bounded_header(&tunnel);
    decision.outcome = decap_check_middle(frame + decision.inner_at, end, &tunnel, &content);
    if (decision.outcome != DECAP_DECAPSULATED) {
        return decision;
    }
    decision.inner_at += decap_bounded_middle(&tunnel);
    decision.family = content.family;
    decision.outcome = decap_read_inner(
        frame + decision.inner_at, end, content.room, content.family, &decision.vip, &ecn);
    decision.ecn = decap_merge_ecn(ecn, tunnel.ecn);
    return decision;
}

void decap_set_ecn(__u8* header, __u8 ecn) {
    if (header[0] >> 4 == 4) {
        decap_set_ecn_ipv4(header, ecn);
    } else {
        decap_set_ecn_ipv6(header, ecn);
    }
}
