"""The lab itself, by plain kernel routing: what it claims about the network holds, and nothing stays."""

import os
import pathlib
import signal
import subprocess
import sys

import pytest
from support import leftovers
from support.host import LabError, wait_until
from support.lab import http_url

SUPPORT = pathlib.Path(__file__).resolve().parents[1]


def test_the_client_reaches_each_backend_and_its_files_by_v4_and_v6(make_lab):
    lab = make_lab(backends=2, file_bytes=4 << 20)
    for backend in lab.backends:
        for address in backend.addresses.values():
            assert lab.client.get(http_url(address)) == backend.name
            assert lab.client.sha256_of(http_url(address, "/files/large")) == lab.large_sha256
            assert lab.client.upload(http_url(address, "/upload/a"), lab.files / "large") in (201, 204)
            assert backend.uploaded_sha256("a") == lab.large_sha256
    logged = lab.backends[0]  # nginx writes its log when it has answered
    wait_until("the log has them", lambda: logged.requests(vip=logged.addresses[4]) == 3)


def test_a_vip_goes_to_the_balancer_and_an_answer_does_not(make_lab):
    lab = make_lab(backends=1, file_bytes=4 << 20)
    backend = lab.backends[0]
    backend.vip_by_hand(*lab.vips)
    # The balancer's own kernel stands in for the engine here: a route where the engine would decide.
    lab.balancer.sysctl({"net.ipv4.ip_forward": 1, "net.ipv6.conf.all.forwarding": 1})
    for vip in lab.vips:
        family = 6 if ":" in vip else 4
        via = f"via {backend.addresses[family]}"
        lab.balancer.ip(f"route add {vip}/{128 if family == 6 else 32} {via}")
        before = lab.balancer.link("eth0")["stats64"]["rx"]["bytes"]
        assert lab.client.sha256_of(http_url(vip, "/files/large")) == lab.large_sha256
        through_balancer = lab.balancer.link("eth0")["stats64"]["rx"]["bytes"] - before
        assert 0 < through_balancer < lab.large_bytes / 2
        wait_until("the log has it", lambda: backend.requests(vip=vip) == 1)


def test_the_edge_carries_more_than_the_client_sends(make_lab):
    lab = make_lab(backends=1)
    assert lab.balancer.link("eth0")["mtu"] == lab.backends[0].link("eth0")["mtu"] == 1600
    assert lab.client.link("eth0")["mtu"] == 1500
    lab.balancer.run("ping", "-c", "1", "-M", "do", "-s", str(1600 - 28), lab.backends[0].addresses[4])


def test_a_load_tells_the_moment_a_server_dies(make_lab):
    lab = make_lab(backends=1)
    backend = lab.backends[0]
    load = lab.client.start_load(http_url(backend.addresses[4]), connections=2, pause_ms=5)
    load.wait_for_more(50)
    assert not load.failures()
    backend.kill_nginx()
    load.wait_for("a refused connection", lambda results: any("Refused" in (r["error"] or "") for r in results))
    backend.start_nginx()
    seen = len(load.results())
    load.wait_for("answers again", lambda results: any(r["backend"] == "b1" for r in results[seen:]))
    assert {r["backend"] for r in load.stop()} == {"b1", None}


def test_wrk_counts_and_spread_can_be_read(make_lab):
    lab = make_lab(backends=1)
    result = lab.client.wrk(http_url(lab.backends[0].addresses[4]), seconds=1, connections=4)
    assert result.requests > 0 and result.failed == 0
    # Requests under way when wrk ends were answered, too.
    assert 0 <= lab.backends[0].requests() - result.requests <= 4
    missing = lab.client.wrk(http_url(lab.backends[0].addresses[4], "/nothing"), seconds=1, connections=4)
    assert missing.failed == missing.bad_status == missing.requests > 0
    lab.backends[0].kill_nginx()
    with pytest.raises(LabError, match="refused"):
        lab.client.wrk(http_url(lab.backends[0].addresses[4]), seconds=1)


def test_health_can_be_switched_without_losing_requests(make_lab):
    lab = make_lab(backends=1)
    backend = lab.backends[0]
    load = lab.client.start_load(http_url(backend.addresses[4]), connections=1, pause_ms=5)
    backend.set_healthy(False)
    with pytest.raises(LabError, match="503"):
        lab.client.get(http_url(backend.addresses[4], "/healthz"))
    assert lab.client.get(http_url(backend.addresses[4])) == "b1"
    backend.set_healthy(True)
    assert lab.client.get(http_url(backend.addresses[4], "/healthz")) == "ok"
    load.stop()
    assert not load.failures()


def test_udp_is_answered_from_the_address_that_was_asked(make_lab):
    lab = make_lab(backends=1)
    backend = lab.backends[0]
    backend.start_udp_echo(5353, [*backend.addresses.values(), "203.0.113.10"])
    for address in backend.addresses.values():
        assert lab.client.udp(address, 5353, "hello") == "b1 hello"
    assert lab.client.udp(backend.addresses[4], 5354, "hello", timeout_s=0.2) is None


def test_close_leaves_nothing_and_ends_what_ignores_sigterm(make_lab):
    lab = make_lab(backends=1)
    stubborn = lab.client.start("stubborn", "bash", "-c", "trap '' TERM; while :; do read -t 1 <> <(:); done")
    wait_until("it runs", lambda: stubborn.pid in lab.client.pids())
    pids = [pid for host in (lab.client, lab.backends[0]) for pid in host.pids()]
    assert len(pids) >= 3
    lab.close()
    stubborn.wait()
    assert not leftovers.namespaces(lab.id)
    assert not lab.directory.exists()
    assert not leftovers.running(lab.id)


MAKER = """
import os, signal, sys, time
sys.path.insert(0, sys.argv[1])
from support.lab import Lab
signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
lab = Lab(backends=1)
print(lab.id, flush=True)
sys.stdin.read()
"""


def make_elsewhere():
    maker = subprocess.Popen([sys.executable, "-B", "-c", MAKER, SUPPORT], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, text=True)
    lab_id = maker.stdout.readline().strip()
    assert leftovers.namespaces(lab_id) and leftovers.processes(lab_id)
    return maker, lab_id


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM])
def test_an_ended_maker_takes_its_lab_with_it(sig):
    maker, lab_id = make_elsewhere()
    maker.send_signal(sig)
    maker.wait(60)
    assert not leftovers.namespaces(lab_id)
    assert lab_id not in leftovers.all_labs()


def test_a_lab_whose_maker_was_killed_is_found_and_swept():
    maker, lab_id = make_elsewhere()
    os.kill(maker.pid, signal.SIGKILL)
    maker.wait(60)
    assert lab_id in leftovers.all_labs()
    leftovers.sweep(lab_id)
    assert lab_id not in leftovers.all_labs()
