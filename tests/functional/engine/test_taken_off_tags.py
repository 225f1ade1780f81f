"""A VLAN tag that a NIC has taken off stands beside the frame, where XDP does not see it: a frame of any VLAN would
pass for an untagged one. The guard is that no NIC of a port takes tags off (ethtool: rx-vlan-offload).

A lab has no such NIC, and its veths ignore rx-vlan-offload; but they know both kinds of frame: a program on the egress
of the other end gives frames a tag that stands beside them, and that end's tx-vlan-offload says whether it stays there.
So `nic()` lets the other end do what a NIC of the port would.
"""

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

from support import api, raw_link, trunk
from support.host import wait_until

VIP = "203.0.113.10"
PORT = '[[port]]\nname = "customers"\ninterface = "eth1"\n'
TAGGED, PLAIN = range(41001, 41004), 41100
# Somebody who wants rx-vlan-offload on, and does not give in: as a driver that refuses, to the engine.
# ETHTOOL_GFLAGS, ETHTOOL_SFLAGS, ETH_FLAG_RXVLAN and SIOCETHTOOL of linux/ethtool.h and linux/sockios.h.
INSISTS = """
import ctypes, fcntl, socket, struct, sys
control = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
value = ctypes.create_string_buffer(8)
request = struct.pack("16sQ8x", sys.argv[1].encode(), ctypes.addressof(value))
while True:
    struct.pack_into("II", value, 0, 0x25, 0)
    fcntl.ioctl(control, 0x8946, request)
    struct.pack_into("II", value, 0, 0x26, struct.unpack_from("II", value)[1] | 1 << 8)
    fcntl.ioctl(control, 0x8946, request)
"""


@pytest.fixture
def lab(make_lab):
    """Both programs; the balancer's eth1 is a port without a VLAN, the router's "trunk" the other end of it."""
    lab = trunk.prepare(make_lab, PORT)
    lab.balancer.run("ethtool", "-K", "eth1", "rxvlan", "on")
    trunk.start_both(lab)
    return lab


def takes_tags_off(lab):
    return "rx-vlan-offload: on" in lab.balancer.run("ethtool", "-k", "eth1").stdout


def nic(lab, takes_off):
    """The other end does what a NIC would whose rx-vlan-offload is on or off."""
    lab.router.run("ethtool", "-K", "trunk", "txvlan", "on" if takes_off else "off")


def send(lab, name, ports):
    head = Ether(dst=trunk.mac_of_port(lab), src=trunk.CLIENT_MAC) / IP(src=trunk.CLIENT, dst=VIP)
    frames = [head / TCP(sport=port, dport=80) for port in ports]
    raw_link.start(lab.router, name, "trunk", frames).stop()


def send_tagged(lab, name, ports):
    """The same, as frames of VLAN 8 whose tag does not stand in them."""
    program = lab.build / "tests" / "bpf" / "tag_beside.bpf.o"
    lab.router.run("tc", "qdisc", "add", "dev", "trunk", "clsact")
    lab.router.run("tc", "filter", "add", "dev", "trunk", "egress", "bpf", "direct-action", "object-file", program,
                   "section", "tc")
    send(lab, name, ports)
    lab.router.run("tc", "qdisc", "del", "dev", "trunk", "clsact")


def ports_of_syns(heard):
    return {syn[TCP].sport for syn in trunk.syns(heard)}


def test_frames_of_a_vlan_are_not_balanced_since_the_engine_keeps_tags_in_them(lab):
    heard = raw_link.start(lab.backends[0], "heard", "eth0")
    assert not takes_tags_off(lab), "the engine has switched it off"
    nic(lab, takes_tags_off(lab))
    send_tagged(lab, "tagged", TAGGED)
    send(lab, "untagged", [PLAIN])
    wait_until("the untagged frame has arrived", lambda: PLAIN in ports_of_syns(heard))
    assert ports_of_syns(heard) == {PLAIN}, "one queue: the tagged ones are dealt with"
    heard.stop()


def test_without_that_they_would_pass_for_untagged_ones(lab):
    """Why there is a guard, and what bpf/README.md says of a veth: there it is the other end that has to be told."""
    heard = raw_link.start(lab.backends[0], "heard", "eth0")
    nic(lab, takes_off=True)
    send_tagged(lab, "tagged", TAGGED)
    wait_until("they are balanced", lambda: ports_of_syns(heard) == set(TAGGED))
    heard.stop()


def problems(lab):
    return [text for text in api.get(lab.balancer, "/api/v1/status")["problems"] if "takes VLAN tags off" in text]


def test_who_switches_it_on_later_is_overruled_and_as_long_as_that_fails_status_has_the_command(lab):
    lab.balancer.run("ethtool", "-K", "eth1", "rxvlan", "on")
    wait_until("it is off again", lambda: not takes_tags_off(lab))
    insists = lab.balancer.start("insists", "/usr/bin/python3", "-c", INSISTS, "eth1")
    [problem] = wait_until("status says so", lambda: problems(lab))
    assert "port customers" in problem and "`ethtool -K eth1 rxvlan off`" in problem
    insists.stop()
    wait_until("it is off again, and no problem is left", lambda: not takes_tags_off(lab) and not problems(lab))
