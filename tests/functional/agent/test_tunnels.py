"""Tunnels to a real backend: real TCP connections, answered past the balancer, and strangers refused."""

import pathlib
import re
import signal
import sys

import pytest
from backend_state import attached_programs, counters, events
from support.balancer import remove_lbagent, start_lbagent
from support.host import LabError, wait_until
from support.lab import http_url

HERE = pathlib.Path(__file__).resolve().parent
VIPS = {4: "203.0.113.10", 6: "2001:db8::10"}
BALANCER = {4: "10.2.0.2", 6: "fd00:2::2"}


def encapsulate(lab, family, source=None):
    """The balancer sends the VIP's packets on in a tunnel from now on."""
    process = lab.balancer.start(f"encapsulate-{len(lab.balancer.processes)}", sys.executable, HERE / "encapsulate.py",
                                 "eth0", VIPS[family], source or BALANCER[family], lab.backends[0].addresses[family])
    wait_until("the tunnel is there", lambda: "ready" in process.log.read_text())
    return process


def settled(agent):
    """The counters when the last acknowledgements have come in."""
    seen = []

    def is_quiet():
        seen.append(counted(agent))
        return len(seen) > 1 and seen[-1] == seen[-2]

    wait_until("nothing comes any more", is_quiet, interval_s=0.5)
    return seen[-1]


def agent_arguments(*more, interface="eth0"):
    vips = [word for vip in VIPS.values() for word in ("--vip", vip)]
    return ["--interface", interface, *vips, *more]


def start_agent(lab, *more):
    balancers = [word for address in BALANCER.values() for word in ("--balancer", address)]
    return start_lbagent(lab.backends[0], lab.build, *agent_arguments(*balancers, *more))


def counted(agent):
    """The program's counters, now."""
    def told():
        return sum(event["event"] == "tunnel-packets" for event in events(agent))
    before = told()
    agent.signal(signal.SIGUSR1)
    wait_until("the agent tells its counters", lambda: told() >= before + 8)
    return counters(agent)


@pytest.mark.parametrize("family", [4, 6])
def test_downloads_and_uploads_through_a_tunnel_are_whole(make_lab, family):
    lab = make_lab(backends=1, file_bytes=8 << 20)
    agent = start_agent(lab)
    encapsulate(lab, family)
    url = http_url(VIPS[family], "/files/large")
    back = lab.balancer.link("eth0")["stats64"]["rx"]["bytes"]
    assert lab.client.sha256_of(url) == lab.large_sha256
    assert lab.balancer.link("eth0")["stats64"]["rx"]["bytes"] - back < lab.large_bytes / 2
    assert lab.client.upload(http_url(VIPS[family], "/upload/a"), lab.files / "large") in (201, 204)
    assert lab.backends[0].uploaded_sha256("a") == lab.large_sha256
    # nginx writes its log when it has answered.
    wait_until("both requests are in nginx's log", lambda: lab.backends[0].requests(vip=VIPS[family]) == 2)
    counts = counted(agent)
    assert counts.pop("decapsulated") > lab.large_bytes / 1500
    assert not any(counts.values())
    ready = next(event for event in events(agent) if event["event"] == "tunnels-accepted")
    assert ready["mode"] == "native"


@pytest.mark.parametrize("family, stranger", [(4, "10.2.0.9"), (6, "fd00:2::9")])
def test_a_tunnel_from_anybody_else_is_refused_and_named(make_lab, family, stranger):
    lab = make_lab(backends=1, file_bytes=1)
    agent = start_agent(lab)
    lab.balancer.ip(f"addr add {stranger}/{64 if family == 6 else 24} dev eth0" + (" nodad" if family == 6 else ""))
    tunnel = encapsulate(lab, family, source=stranger)
    with pytest.raises(LabError, match="(?i)timed? ?out"):
        lab.client.get(http_url(VIPS[family]), timeout_s=2)
    refusal = wait_until("the refusal is in the log", lambda: [
        event for event in events(agent) if event["event"] == "tunnel-dropped"])[0]
    assert (refusal["reason"], refusal["last_source"]) == ("source-not-allowed", stranger)
    assert "--balancer" in refusal["meaning"]
    counts = counted(agent)
    assert counts["source-not-allowed"] > 0 and counts["decapsulated"] == 0
    assert lab.backends[0].requests(vip=VIPS[family]) == 0
    # The same tunnel from the balancer's address is welcome: it was the source, and nothing else.
    tunnel.stop()
    encapsulate(lab, family)
    assert lab.client.get(http_url(VIPS[family])) == "b1"


def test_without_the_agent_a_tunnel_leads_nowhere(make_lab):
    lab = make_lab(backends=1, file_bytes=1)
    lab.backends[0].vip_by_hand(*VIPS.values())
    encapsulate(lab, 4)
    with pytest.raises(LabError, match="(?i)timed? ?out"):
        lab.client.get(http_url(VIPS[4]), timeout_s=2)


def test_an_interface_without_native_xdp_gets_the_generic_kind(make_lab):
    lab = make_lab(backends=1, file_bytes=4 << 20)
    backend = lab.backends[0]
    backend.ip("link add br0 type bridge forward_delay 0 stp_state 0", "link set br0 mtu 1600 up",
               "link set eth0 master br0",
               f"addr del {backend.addresses[4]}/24 dev eth0", f"addr add {backend.addresses[4]}/24 dev br0",
               "route add default via 10.2.0.1")
    agent = start_lbagent(backend, lab.build, *agent_arguments("--balancer", BALANCER[4], interface="br0"))
    ready = next(event for event in events(agent) if event["event"] == "tunnels-accepted")
    assert ready["mode"] == "generic"
    encapsulate(lab, 4)
    assert lab.client.sha256_of(http_url(VIPS[4], "/files/large")) == lab.large_sha256
    assert lab.client.upload(http_url(VIPS[4], "/upload/a"), lab.files / "large") in (201, 204)
    assert backend.uploaded_sha256("a") == lab.large_sha256
    assert agent.stop() == 0
    assert len(attached_programs(backend)) == 1
    remove_lbagent(backend, lab.build)
    assert attached_programs(backend) == []


def test_tunnels_end_at_an_address_that_comes_later_and_no_more_when_it_goes(make_lab):
    lab = make_lab(backends=1, file_bytes=1)
    backend = lab.backends[0]
    agent = start_agent(lab)
    later = "10.2.0.99"
    tunnel = lab.balancer.start("encapsulate-later", sys.executable, HERE / "encapsulate.py", "eth0", VIPS[4],
                                BALANCER[4], later)
    wait_until("the tunnel is there", lambda: "ready" in tunnel.log.read_text())
    backend.ip(f"addr add {later}/24 dev eth0")
    assert lab.client.get(http_url(VIPS[4])) == "b1"
    backend.ip(f"addr del {later}/24 dev eth0")
    lab.balancer.ip(f"neigh replace {later} lladdr {backend.link('eth0')['address']} dev eth0")

    def times_out():
        try:
            lab.client.get(http_url(VIPS[4]), timeout_s=1)
        except LabError as error:
            assert re.search("(?i)timed? ?out", str(error)), error
            return True
        return False

    wait_until("the agent has heard of it", times_out)
    before = settled(agent)
    assert times_out()
    assert counted(agent) == before


def test_only_one_program_has_the_interface(make_lab, build_dir):
    lab = make_lab(backends=1, file_bytes=1)
    backend = lab.backends[0]
    backend.ip(f"link set dev eth0 xdp object {build_dir}/bpf/decap.bpf.o section xdp.frags")
    agent = backend.start("lbagent", lab.build / "ctl" / "lbagent", "--run-dir", backend.directory / "agent",
                          *agent_arguments("--balancer", BALANCER[4]))
    assert agent.wait() == 1
    assert any("bpftool net" in event.get("reason", "") for event in events(agent))
    assert VIPS[4] not in backend.run("ip", "address", "show", "dev", "lo").stdout
