"""Ports are matched by name: another order in the file of the one program is harmless; a port of one alone is told."""

import re

import pytest

from support import lending
from support.host import wait_until

PORTAL, URL, VIP = [lending.SERVICES[0]], lending.URLS["portal"], "203.0.113.10"
UPLINK = '[[port]]\nname = "uplink"\ninterface = "eth1"\n'


def config(lab):
    """Without checks; ports in the order edge, uplink."""
    text = lending.config(lab, services=PORTAL, hugepages="none", port_keys=UPLINK)
    return re.sub(r"\[defaults.health\]\n(?:\w+ = .*\n)+", '[defaults.health]\ntype = "none"\n', text)


def swapped(text):
    """The same with the uplink first."""
    first = text.index("[[port]]")
    return text[:first] + UPLINK + text[first:].replace(UPLINK, "", 1)


@pytest.fixture
def lab(make_lab):
    """The client's packets come by the uplink and leave by the edge, where the backends are."""
    lab = make_lab(backends=2, file_bytes=1 << 20)
    for backend in lab.backends:
        backend.vip_by_hand(*lab.vips)
    queues = "numrxqueues 2 numtxqueues 2"
    lab.router.ip(f"link add uplink {queues} mtu 1600 type veth peer name eth1 mtu 1600 {queues} "
                  f"netns {lab.balancer.namespace}",
                  "link set uplink up", "addr add 10.3.0.1/24 dev uplink", f"route replace {VIP}/32 via 10.3.0.2")
    lab.balancer.ip("link set eth1 up", "addr add 10.3.0.2/24 dev eth1")
    lab.router.plain_checksums("uplink")
    lab.balancer.plain_checksums("eth1")
    return lab


def check(lab):
    return lab.balancer.lbctl("status", "--check", check=False)


def wait_well(lab):
    def answers():
        return lab.client.run("curl", "-s", "--fail", "--max-time", "0.5", URL, check=False).returncode == 0
    wait_until("the portal answers", answers, 20)
    wait_until("status --check is OK", lambda: check(lab).code == 0, 10)


def sent(lab, port):
    return lab.balancer.metric("fairlead_port_transmit_packets_total", port=port)


def assert_packets_leave_by_the_edge(lab):
    before = {port: sent(lab, port) for port in ("edge", "uplink")}
    result = lab.client.wrk(URL, seconds=1, connections=4)
    assert result.failed == 0 and result.requests > 50, result.text
    wait_until("the edge has sent them", lambda: sent(lab, "edge") - before["edge"] > result.requests)
    assert sent(lab, "uplink") - before["uplink"] < result.requests / 10


def test_each_program_may_have_read_another_order(lab):
    balancer, text = lab.balancer, config(lab)
    assert swapped(text) != text
    balancer.configure(text)
    balancer.start_lbd()
    balancer.configure(swapped(text))
    balancer.start_lbdp()
    wait_well(lab)
    assert_packets_leave_by_the_edge(lab)
    assert [port["name"] for port in balancer.lbctl("-o", "json", "status").json()["engine"]["ports"]] == [
        "uplink", "edge"]
    told = balancer.lbctl("-o", "json", "trace", "tcp", "10.1.0.2:4444", f"{VIP}:80").json()
    assert told["output"]["port"] == "edge"
    # The daemon reads the new order, too, while connections go on.
    load = lab.client.start_load(URL, connections=2, pause_ms=5)
    assert balancer.lbd.stop() == 0
    balancer.start_lbd()
    wait_well(lab)
    assert [entry["error"] for entry in load.stop() if entry["error"]] == []
    assert_packets_leave_by_the_edge(lab)


def test_a_port_that_only_one_program_has_read_is_named(lab):
    balancer, text = lab.balancer, config(lab)
    balancer.configure(text)
    balancer.start_lbd()
    balancer.configure(text.replace(UPLINK, "", 1))
    balancer.start_lbdp()
    wait_until("it is told", lambda: (done := check(lab)).code == 1 and "port uplink is lbd's alone" in done.out, 10)
    balancer.lbd.stop()
    balancer.start_lbd()
    wait_until("both have read the same", lambda: check(lab).code == 0, 10)
