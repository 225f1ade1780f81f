"""A VIP on lo is no secret to the host, and one to its segment: ARP and neighbor discovery, heard from outside."""

import json
import pathlib
import sys

import pytest
from support.balancer import start_lbagent
from support.host import wait_until

HERE = pathlib.Path(__file__).resolve().parent
VIPS = {4: "203.0.113.10", 6: "2001:db8::10"}
NOBODY = {4: "10.2.0.77", 6: "fd00:2::77"}


def answered(lab, family):
    """Which of the VIP and the backend's own address the backend answers for on the segment."""
    own = lab.backends[0].addresses[family]
    done = lab.balancer.run(sys.executable, HERE / "who_has.py", "eth0", VIPS[family], own)
    return set(json.loads(done.stdout)), own


def asks_as(lab, family):
    """As whom the backend asks for a neighbor when a packet that it sends is from the VIP."""
    listener = lab.balancer.start(f"asker-{family}", sys.executable, HERE / "asker.py", "eth0", NOBODY[family])
    wait_until("somebody listens", lambda: "ready" in listener.log.read_text())
    lab.backends[0].run("ping", f"-{family}", "-c", "1", "-W", "1", "-I", VIPS[family], NOBODY[family], check=False)
    assert listener.wait(10) == 0, listener.tail()
    return listener.log.read_text().splitlines()[-1]


def start_agent(lab):
    return start_lbagent(lab.backends[0], lab.build, "--interface", "eth0", "--no-tunnel",
                         "--vip", VIPS[4], "--vip", VIPS[6])


@pytest.mark.parametrize("family", [4, 6])
def test_the_segment_gets_no_answer_for_a_vip(make_lab, family):
    lab = make_lab(backends=1, file_bytes=1)
    agent = start_agent(lab)
    seen, own = answered(lab, family)
    assert seen == {own}
    agent.stop()
    # The test can see an answer: a VIP on the interface itself, without the agent, is answered for.
    lab.backends[0].ip(f"addr add {VIPS[family]}/{128 if family == 6 else 32} dev eth0"
                       + (" nodad" if family == 6 else ""))
    assert answered(lab, family)[0] == {own, VIPS[family]}


def test_without_the_settings_arp_would_be_answered_for_a_vip_on_lo(make_lab):
    lab = make_lab(backends=1, file_bytes=1)
    lab.backends[0].ip(f"addr add {VIPS[4]}/32 dev lo")
    assert answered(lab, 4)[0] == {lab.backends[0].addresses[4], VIPS[4]}
    assert asks_as(lab, 4) == VIPS[4]


def test_arp_requests_never_name_the_vip(make_lab):
    lab = make_lab(backends=1, file_bytes=1)
    start_agent(lab)
    assert asks_as(lab, 4) == lab.backends[0].addresses[4]


def test_neighbor_solicitations_never_come_from_the_vip(make_lab):
    lab = make_lab(backends=1, file_bytes=1)
    start_agent(lab)
    source = asks_as(lab, 6)
    assert source == lab.backends[0].addresses[6] or source.startswith("fe80:")


def test_the_hosts_own_connections_never_start_from_the_vip(make_lab):
    lab = make_lab(backends=1, file_bytes=1)
    backend = lab.backends[0]
    # As on a routed host: its own address stands on lo too, and the interface has a link-local one alone.
    backend.ip(f"addr del {backend.addresses[6]}/64 dev eth0", "addr add fd00:9::1/128 dev lo nodad",
               "route replace default via fd00:2::1 dev eth0 onlink")
    start_agent(lab)
    route = json.loads(backend.run("ip", "-6", "-j", "route", "get", "2001:db8:ffff::1").stdout)[0]
    assert route["prefsrc"] == "fd00:9::1"
    # It would otherwise: the VIP shares more of the destination's prefix (RFC 6724, rule 8).
    backend.ip(f"addr change {VIPS[6]}/128 dev lo preferred_lft forever")
    route = json.loads(backend.run("ip", "-6", "-j", "route", "get", "2001:db8:ffff::1").stdout)[0]
    assert route["prefsrc"] == VIPS[6]
