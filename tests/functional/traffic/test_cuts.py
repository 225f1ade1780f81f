"""IPv4 datagrams that may be fragmented and are at, or one byte beyond, what a tunnel leaves of the link: cut by the
balancer, put together by the backend's kernel, answered byte for byte."""

import json
import os
import pathlib

import pytest
from support.balancer import start_lbagent
from support.client import HERE
from support.host import wait_until
from support.lab import Lab
from support.lending import BACKEND, BALANCER_ADDRESSES, SERVICE, head

PORT = 5355
LINK_MTU = 1500  # the client's as well: only the tunnel makes a packet too large
UDP_HEADERS = 28
QUESTIONS = 20
OVERHEAD = {("ipip", 4): 20, ("gre", 4): 24, ("gue", 4): 32, ("ipip", 6): 40, ("gre", 6): 44, ("gue", 6): 52}
VIP = {tunnel: f"203.0.113.{50 + number}" for number, tunnel in enumerate(OVERHEAD)}
PYTHON = "/usr/bin/python3"
every_tunnel = pytest.mark.parametrize("tunnel", OVERHEAD, ids=[f"{mode}-4in{outer}" for mode, outer in OVERHEAD])


def config(lab):
    text = head(lab).replace('type = "http"\npath = "/healthz"\nport = 80', 'type = "none"')
    for (mode, outer), vip in VIP.items():
        text += SERVICE.format(name=f"{mode}-4in{outer}", vip=f"{vip}:{PORT}", protocol="udp", forwarding=mode,
                               service_keys="")
        for backend in lab.backends:
            text += BACKEND.format(name=backend.name, address=backend.addresses[outer], weight=10)
    return text


@pytest.fixture(scope="module")
def tunnels(request, build_dir):
    """A lab whose balancer has a link of 1,500 bytes; the backend answers past it."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    failed_before = request.session.testsfailed
    with Lab(build=build_dir, backends=1, vips=tuple(VIP.values()), file_bytes=1 << 10) as lab:
        [backend] = lab.backends
        is_ready = False
        try:
            lab.router.ip(f"link set balancer mtu {LINK_MTU}")
            lab.balancer.ip(f"link set eth0 mtu {LINK_MTU}")
            vips = [word for vip in lab.vips for word in ("--vip", vip)]
            balancers = [word for address in BALANCER_ADDRESSES for word in ("--balancer", address)]
            start_lbagent(backend, lab.build, "--interface", "eth0", *vips, *balancers)
            backend.start_udp_echo(PORT, lab.vips)
            backend.ip(f"route change default via 10.2.0.1 mtu {LINK_MTU}")
            lab.balancer.configure(config(lab))
            lab.balancer.start_both()
            for vip in VIP.values():
                wait_until(f"{vip} answers", lambda vip=vip: ask(lab, vip, 1, 10)["answers"], timeout_s=60)
            is_ready = True
            yield lab
        finally:
            if not is_ready or request.session.testsfailed > failed_before:
                print(lab.balancer.lbctl("backend", "list", check=False).out)
                print(lab.logs())


def ask(lab, vip, questions, size):
    done = lab.client.run(PYTHON, "-IB", pathlib.Path(HERE) / "udp_large.py", vip, PORT, questions, 4, size,
                          timeout_s=120)
    return json.loads(done.stdout)


def put_together(lab):
    """Datagrams that the backend's kernel has put together out of fragments."""
    names, values = (line.split() for line in lab.backends[0].run("cat", "/proc/net/snmp").stdout.splitlines()[:2])
    return int(values[names.index("ReasmOKs")])


def drops(lab):
    return {labels: value for (name, labels), value in lab.balancer.metrics().items()
            if name == "fairlead_dropped_packets_total" and value > 0}


def cuts(lab):
    return lab.balancer.metric("fairlead_cut_packets_total")


@every_tunnel
@pytest.mark.parametrize("beyond", [-1, 0, 1, 2, 8, "largest", "pieces"])
def test_a_datagram_at_the_edge_arrives_whole(tunnels, tunnel, beyond):
    fits = LINK_MTU - OVERHEAD[tunnel] - UDP_HEADERS
    # The largest that the client sends in one packet; and one whose first pieces, cut by the client, are cut again.
    size = {"largest": LINK_MTU - UDP_HEADERS, "pieces": 4000}.get(beyond) or fits + beyond
    before, dropped, cut_before = put_together(tunnels), drops(tunnels), cuts(tunnels)
    found = ask(tunnels, VIP[tunnel], QUESTIONS, size)
    assert (found["wrong"], found["lost"]) == (0, 0), (found, drops(tunnels), dropped)
    assert sum(found["answers"].values()) == QUESTIONS
    assert put_together(tunnels) - before == (QUESTIONS if size > fits else 0)
    assert drops(tunnels) == dropped
    # Of 4,008 bytes the client makes two pieces as large as its link, and a smaller one.
    assert cuts(tunnels) - cut_before == (QUESTIONS * (2 if beyond == "pieces" else 1) if size > fits else 0)
