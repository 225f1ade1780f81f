"""`lbctl node`: what keepalived and its like ask, whether clients should come to this balancer.

Only this node and its engine answer it: no tenant's servers and no file can send all clients elsewhere.
"""

import signal

import pytest
from support import threads
from support.host import wait_until

FIT, UNFIT, UNKNOWN = 0, 2, 3
SOON_S = 6


def check(platform):
    return platform.balancer.lbctl("node", "status", "--check", check=False)


def wait_for(platform, code, words=""):
    def line():
        done = check(platform)
        return done.out if done.code == code and words in done.out else None
    return wait_until(f"{code}: {words}", line, SOON_S)


@pytest.fixture(autouse=True)
def fit(platform):
    wait_for(platform, FIT, "FIT: lb1 forwards")


def test_an_engine_or_a_worker_that_is_stopped_or_gone(platform):
    balancer = platform.balancer
    balancer.lbdp.signal(signal.SIGSTOP)
    try:
        wait_for(platform, UNFIT, "stands still")
    finally:
        balancer.lbdp.signal(signal.SIGCONT)
    wait_for(platform, FIT)
    with threads.stopped(threads.thread_id(balancer.lbdp.pid, "worker-1")):
        wait_for(platform, UNFIT, "stands still")
    wait_for(platform, FIT)
    balancer.lbdp.kill()
    balancer.lbdp.wait()
    wait_for(platform, UNFIT, "no engine runs")
    balancer.start_lbdp()
    wait_for(platform, FIT)


def test_a_port_without_a_carrier(platform):
    platform.router.ip("link set balancer down")
    try:
        wait_for(platform, UNFIT, "port edge is not up")
    finally:
        platform.router.ip("link set balancer up")
    wait_for(platform, FIT)


def test_a_drained_node_stays_drained_over_a_restart(platform):
    balancer = platform.balancer
    said = balancer.lbctl("node", "drain", "--reason", "new power supply").err
    assert "Undo: lbctl" in said and "node ready" in said
    assert "already" in balancer.lbctl("node", "drain").err
    try:
        assert "new power supply" in wait_for(platform, UNFIT, "drained by root")
        assert balancer.lbctl("-o", "json", "node", "status").json()["admin"] == "drain"
        assert "lb1 (drained)" in balancer.lbctl("status").out
        assert balancer.lbd.stop() == 0
        assert check(platform).code == UNKNOWN
        balancer.start_lbd()
        wait_for(platform, UNFIT, "new power supply")
        assert balancer.lbctl("status", "--check", check=False).code == 0, "a drain is no problem"
        assert platform.client.get("http://203.0.113.10/") in {"b1", "b2", "b3"}, "what comes is forwarded"
    finally:
        balancer.lbctl("node", "ready")
    wait_for(platform, FIT)


def test_no_tenant_and_no_file_can_turn_it(platform):
    balancer = platform.balancer
    good = balancer.config.read_text()
    for backend in platform.backends:
        backend.kill_nginx()
    try:
        wait_until("every service is down",
                   lambda: balancer.lbctl("status", "--check", check=False).code == 2, timeout_s=20)
        balancer.configure("[[service]]\nname = 1\n")
        assert balancer.lbctl("reload", check=False).code == 1
        assert check(platform).code == FIT
    finally:
        balancer.configure(good)
        for backend in platform.backends:
            backend.start_nginx()
        balancer.lbctl("reload")


def test_it_never_ends_well_by_mistake(platform):
    for words in (("--run-dir", platform.balancer.run_dir / "nowhere", "node", "status", "--check"),
                  ("node", "status", "--check", "--colour"), ("node", "statu", "--check")):
        assert platform.balancer.lbctl(*words, check=False).code in (UNFIT, UNKNOWN), words
