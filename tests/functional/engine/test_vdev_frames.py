"""Which frames a port takes that is a DPDK virtual device: it takes in whatever comes, and no steering program stands
before it. Frames are sent raw on a veth whose other end the device reads; backends are reached by another port."""

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Dot1Q, Ether

from support import raw_link, trunk
from support.host import wait_until

OTHER_VLAN = 8
OTHER_MAC = "02:00:00:00:00:99"
ADDRESSES = {"v4": (trunk.CLIENT, "203.0.113.10"), "v6": ("fd00:1::2", "2001:db8::10")}

PORT = """
[[port]]
name = "customers"
vdev = "DEVICE,iface=eth1"
mac = "{mac}"
address = ["10.3.0.2/24"]
"""


@pytest.fixture(params=["net_pcap0", "net_af_packet0"])
def lab(request, make_lab):
    """Both programs; the balancer's eth1 is read by the device, the router's "trunk" is the other end of it."""
    lab = trunk.prepare(make_lab, PORT.replace("DEVICE", request.param))
    trunk.start_both(lab)
    return lab


def syn(family, port, destination, tags=()):
    source, vip = ADDRESSES[family]
    frame = Ether(dst=destination, src=trunk.CLIENT_MAC)
    for vlan in tags:
        frame /= Dot1Q(vlan=vlan, prio=5)
    ip = IP(src=source, dst=vip, ttl=9) if family == "v4" else IPv6(src=source, dst=vip, hlim=9)
    return frame / ip / TCP(sport=port, dport=80)


@pytest.mark.parametrize("family", ADDRESSES)
def test_a_priority_tag_is_as_none_and_what_is_not_for_the_port_is_not_balanced(lab, family):
    """Those that must not be balanced come first: they are dealt with by the time the last two have arrived."""
    [backend] = lab.backends
    own = trunk.mac_of_port(lab)
    refused = [(destination, tags)
               for destination in (OTHER_MAC, "ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01", "33:33:00:00:00:01")
               for tags in ((), (0,))]
    refused += [(own, (OTHER_VLAN,)), (own, (0, OTHER_VLAN)), (own, (0, 0)), (own, (OTHER_VLAN, 0))]
    taken = [(own, (0,)), (own, ())]
    frames = [syn(family, 41000 + number, *frame) for number, frame in enumerate(refused + taken)]

    def dropped():
        return lab.balancer.metric("fairlead_dropped_packets_total", reason="no_kernel_path")

    dropped_before = dropped()
    heard = raw_link.start(backend, "heard", "eth0")
    sender = raw_link.start(lab.router, "sender", "trunk", frames)

    def syns():
        return {frame[TCP].sport: frame for frame in trunk.syns(heard)}

    wanted = {frame[TCP].sport for frame in frames[-len(taken):]}
    wait_until("both SYNs have arrived", lambda: wanted <= set(syns()))
    assert set(syns()) == wanted
    for frame in syns().values():
        assert Dot1Q not in frame and (frame[IP].ttl if family == "v4" else frame[IPv6].hlim) == 9
        assert frame.dst == backend.link("eth0")["address"] and frame.src == lab.balancer.link("eth0")["address"]
    wait_until("the others are counted", lambda: dropped() >= dropped_before + len(refused))
    sender.stop()
    heard.stop()
