/* Gives every frame that leaves a VLAN tag that stands beside the frame, in the socket buffer, as
 * it does behind a NIC that takes tags off: a veth carries it over so while its tx-vlan-offload is
 * on, and puts it into the frame while that is off. Functional tests put this on the egress of a
 * port's other end. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int tag_beside(struct __sk_buff* skb) {
    return bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), 8) == 0 ? TC_ACT_OK : TC_ACT_SHOT;
}

char tag_beside_license[] SEC("license") = "Dual BSD/GPL";
