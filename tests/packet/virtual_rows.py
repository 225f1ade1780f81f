"""Rows of the packet table: frames to the MAC addresses of virtual routers (RFC 5798, 7.3), of which the port has two.

They are not for a capture file: a port without a kernel interface has none.
"""

from scapy.layers.inet import ICMP, IP

import neighbor_rows
import reply_rows
import scene
import table
from oracle import replies
from scene import SINGLE, ether, is_v6, packet_to

OURS, OURS6 = scene.VIRTUAL_MACS
OTHERS = {
    "another virtual router": "00:00:5e:00:01:34",
    "another virtual router of IPv6": "00:00:5e:00:02:33",
    "a virtual router 64 further": "00:00:5e:00:01:73",
    "virtual router 0": "00:00:5e:00:01:00",
    "virtual router 0 of IPv6": "00:00:5e:00:02:00",
    "a range before": "00:00:5e:00:00:33",
    "a range behind": "00:00:5e:00:03:33",
    "the group of our bits": "01:00:5e:00:01:33",
    "another vendor": "00:00:5f:00:01:33",
    "another first byte": "02:00:5e:00:01:33",
}


def rows():
    result = table.Table()
    for service in SINGLE:
        for mac in scene.VIRTUAL_MACS:
            result.forwarded(f"addressed to {mac}", service, ether(dst=mac) / packet_to(service, b"by VRRP"))
        for name, mac in OTHERS.items():
            frame = ether(dst=mac) / packet_to(service, b"not for this balancer")
            result.left_alone(f"{service.name}: addressed to {name}", frame)
        mac = OURS6 if is_v6(service) else OURS
        result.dropped(f"{service.name}: a virtual router's, cut in the IP header", "truncated",
                       bytes(ether(dst=mac) / packet_to(service))[:30])
    portal, portal6 = scene.BY_NAME["portal"], scene.BY_NAME["portal6"]
    result.left_alone("a virtual router's, not for a VIP", ether(dst=OURS) / IP(dst="10.0.0.2") / ICMP())
    result.dropped("a virtual router's, no such port", "no_service",
                   ether(dst=OURS) / packet_to(portal, transport={"dport": portal.port + 1}))
    result.dropped("a virtual router's, IPv6, no such port", "no_service",
                   ether(dst=OURS6) / packet_to(portal6, transport={"dport": portal6.port + 1}))
    for service, mac, head in ((portal, OURS, 20), (portal6, OURS6, 40)):
        echo = reply_rows.ping(service.vip, b"are you there?")
        echo.dst = mac
        reply_rows.answered(result, f"ping {service.vip} by a virtual router", "echo", echo,
                            replies.echo_reply(bytes(echo), head))
    # Who asks a virtual router keeps its address, and who asks everybody gets the port's.
    for text, ours in (("an IPv4 virtual router", OURS), ("an IPv6 virtual router", OURS6)):
        result.rows += [
            table.Row(f"ARP for a VIP, asking {text}", bytes(neighbor_rows.request({"dst": ours})), "reply:neighbor",
                      neighbor_rows.arp_reply(neighbor_rows.ASKER, own=ours)),
            table.Row(f"solicitation to the VIP itself, asking {text}",
                      bytes(neighbor_rows.solicitation(ip={"dst": neighbor_rows.VIP6}, ethernet={"dst": ours})),
                      "reply:neighbor", neighbor_rows.advertisement(own=ours)),
            table.Row(f"solicitation to the group, asking {text}",
                      bytes(neighbor_rows.solicitation(ethernet={"dst": ours})),
                      "reply:neighbor", neighbor_rows.advertisement(own=ours)),
        ]
    wrong = "bad_neighbor_question"
    result.dropped("ARP for a VIP, asking another virtual router", wrong,
                   neighbor_rows.request({"dst": OTHERS["another virtual router"]}))
    result.dropped("solicitation for a VIP, asking another virtual router", wrong,
                   neighbor_rows.solicitation(ethernet={"dst": OTHERS["another virtual router of IPv6"]}))
    return result.rows
