/* Lets everything pass. On a veth, what the peer's program sends back by XDP_TX arrives only if
 * this end has a program too; functional tests put this one there. A NIC needs no such thing. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

SEC("xdp")
int pass(struct xdp_md* context) {
    (void)context;
    return XDP_PASS;
}

char pass_license[] SEC("license") = "Dual BSD/GPL";
