"""A port with a VLAN on a veth: steered by its tag, answered and forwarded with it.

The kernel of the lab may have no VLAN interfaces, so frames are sent and received raw, and backends are reached by
another, untagged port.
"""

import ipaddress

import pytest
from scapy.layers.inet import ICMP, IP, TCP
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptSrcLLAddr, IPv6
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Raw

from support import api, raw_link, trunk
from support.host import wait_until

VLAN, PRIORITY, OTHER = 7, 5, 8
VIP, VIP6 = "203.0.113.10", "2001:db8::10"
CLIENT, CLIENT_MAC = trunk.CLIENT, trunk.CLIENT_MAC
PORT = f'[[port]]\nname = "customers"\ninterface = "eth1"\nvlan = {VLAN}\n'


@pytest.fixture
def lab(make_lab):
    """Both programs; the balancer's eth1 is the port with the VLAN, the router's "trunk" the other end of it."""
    return trunk.prepare(make_lab, PORT)


def started(lab):
    lab.balancer.run("ethtool", "-K", "eth1", "rxvlan", "off")
    trunk.start_both(lab)
    return lab


def first_answer(lab, name, frames, is_answer):
    """The first of the frames that come back on the trunk for which is_answer() holds."""
    link = raw_link.start(lab.router, name, "trunk", frames)

    def found():
        return next((frame for frame in raw_link.received(link) if is_answer(frame)), None)

    try:
        return wait_until(f"an answer to {name}", found)
    finally:
        link.stop()


def variants(untagged):
    """The frame without a tag, with others, and at last with the port's."""
    ethernet, payload = Ether(dst=untagged.dst, src=untagged.src), untagged.payload
    return [untagged, ethernet / Dot1Q(vlan=0, prio=3) / payload, ethernet / Dot1Q(vlan=OTHER, prio=2) / payload,
            ethernet / Dot1Q(vlan=VLAN, prio=PRIORITY) / payload]


def assert_tag(frame):
    assert (frame[Dot1Q].vlan, frame[Dot1Q].prio) == (VLAN, PRIORITY)


def test_arp_solicitation_and_ping_behind_the_tag_are_answered_with_the_tag(lab):
    """All others of the four frames come first: had one of them an answer, it would be the first one."""
    started(lab)
    mac = trunk.mac_of_port(lab)
    question = Ether(dst="ff:ff:ff:ff:ff:ff", src=CLIENT_MAC) / ARP(hwsrc=CLIENT_MAC, psrc="203.0.113.1", pdst=VIP)
    answer = first_answer(lab, "arp", variants(question), lambda frame: ARP in frame and frame[ARP].op == 2)
    assert (answer.src, answer[ARP].hwsrc, answer[ARP].psrc, answer.dst) == (mac, mac, VIP, CLIENT_MAC)
    assert_tag(answer)

    group = "ff02::1:ff" + ipaddress.ip_address(VIP6).exploded[-7:]
    question = Ether(dst="33:33:ff:00:00:10", src=CLIENT_MAC) / IPv6(src="2001:db8::1", dst=group, hlim=255)
    question /= ICMPv6ND_NS(tgt=VIP6) / ICMPv6NDOptSrcLLAddr(lladdr=CLIENT_MAC)
    answer = first_answer(lab, "solicitation", variants(question), lambda frame: ICMPv6ND_NA in frame)
    assert answer[ICMPv6ND_NA].tgt == VIP6 and answer.src == mac
    assert_tag(answer)

    question = Ether(dst=mac, src=CLIENT_MAC) / IP(src=CLIENT, dst=VIP) / ICMP(id=9, seq=1) / Raw(b"behind a tag")
    answer = first_answer(lab, "ping", variants(question), lambda frame: ICMP in frame and frame[ICMP].type == 0)
    assert (answer[IP].src, bytes(answer[ICMP].payload)) == (VIP, b"behind a tag")
    assert_tag(answer)
    wait_until("what was the kernel's is counted",
               lambda: lab.balancer.metric("fairlead_port_kernel_packets_total", port="customers") >= 9)


def test_what_comes_tagged_is_forwarded_without_a_tag_by_a_port_that_has_none(lab):
    started(lab)
    [backend] = lab.backends
    heard = raw_link.start(backend, "heard", "eth0")
    head = Ether(dst=trunk.mac_of_port(lab), src=CLIENT_MAC) / IP(src=CLIENT, dst=VIP, ttl=9)
    frames = [head / TCP(sport=port, dport=80)
              for port in (40001, 40002)]
    frames = [*variants(frames[0])[:3], variants(frames[1])[3]]
    sender = raw_link.start(lab.router, "sender", "trunk", frames)

    [syn] = wait_until("the SYN has arrived", lambda: trunk.syns(heard))
    assert syn[TCP].sport == 40002 and syn[IP].ttl == 9 and Dot1Q not in syn
    assert syn.dst == backend.link("eth0")["address"] and syn.src == lab.balancer.link("eth0")["address"]
    ports = {port["name"]: port for port in api.get(lab.balancer, "/api/v1/status")["engine"]["ports"]}
    assert (ports["edge"]["vlan"], ports["customers"]["vlan"]) == (0, VLAN)
    sender.stop()
    heard.stop()


def test_a_port_with_a_vlan_but_no_interface_for_it_is_a_problem_with_the_command(lab):
    started(lab)
    problems = api.get(lab.balancer, "/api/v1/status")["problems"]
    assert any("ip link add link eth1 name eth1.7 type vlan id 7" in problem for problem in problems), problems


def takes_tags_off(lab, interface):
    features = lab.balancer.run("ethtool", "-k", interface).stdout
    return "rx-vlan-offload: on" in features


def test_the_nic_leaves_tags_in_the_frame(lab):
    """On every port, with a VLAN or without one, from the start and when somebody switches it back."""
    for interface in ("eth0", "eth1"):
        lab.balancer.run("ethtool", "-K", interface, "rxvlan", "on")
        assert takes_tags_off(lab, interface)
    lab.balancer.start_both()
    assert not takes_tags_off(lab, "eth0") and not takes_tags_off(lab, "eth1")
    lab.balancer.run("ethtool", "-K", "eth0", "rxvlan", "on")
    wait_until("tags stay in the frame", lambda: not takes_tags_off(lab, "eth0"))
