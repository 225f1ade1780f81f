"""A lab with a second port for frames that are sent raw: the balancer's eth1, whose other end is the router's "trunk".

One worker, one backend, reached by the first port, and no checks.
"""

import re

from scapy.layers.inet import TCP

from support import api, lending, raw_link
from support.host import wait_until

CLIENT, CLIENT_MAC = "10.1.0.2", "02:00:00:00:00:77"


def prepare(make_lab, port):
    """The lab, its programs not yet started. `port` is a [[port]]'s text, in which {mac} is that of eth1."""
    lab = make_lab(backends=1, file_bytes=1)
    lab.backends[0].vip_by_hand(*lab.vips)
    lab.router.ip(f"link add trunk type veth peer name eth1 netns {lab.balancer.namespace}", "link set trunk up")
    lab.router.plain_checksums("trunk")
    lab.balancer.ip("link set eth1 up")
    lab.balancer.run("ethtool", "-L", "eth0", "rx", "1", "tx", "1")
    lab.balancer.plain_checksums("eth1")
    port = port.format(mac=mac_of_port(lab))
    text = lending.config(lab, services=lending.SERVICES[:2], cpus="0").replace("[api]", f"{port}\n[api]")
    lab.balancer.configure(re.sub(r"\[defaults.health\]\n(?:\w+ = .*\n)+", '[defaults.health]\ntype = "none"\n', text))
    return lab


def start_both(lab):
    lab.balancer.start_both()
    wait_until("the backend is known",
               lambda: all(backend["link"] for backend in api.backends(lab.balancer).values()))


def mac_of_port(lab):
    return lab.balancer.link("eth1")["address"]


def syns(heard):
    """The SYNs that a raw link has received; a client that knows of no connection resets it."""
    return [frame for frame in raw_link.received(heard) if TCP in frame and frame[TCP].flags == "S"]
