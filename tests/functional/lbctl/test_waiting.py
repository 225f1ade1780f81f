"""What --wait says to somebody who is about to touch a server: true, or it does not end with 0."""

import re
import signal
import time

import pytest
from support import api
from support.balancer import program
from support.host import wait_until

REFUSED, TIMED_OUT = 5, 6
LAB = {"file_bytes": 64 << 20}  # half a minute at the 2 MiB/s of /slow/


@pytest.fixture
def carrier(platform):
    """The backend of portal that carries a slow download as long as the test runs."""
    before = {b["name"]: b["new_flows"] for b in api.get(platform.balancer, "/api/v1/services/portal")["backends"]}
    download = platform.client.start("slow", "curl", "-sS", "-o", "/dev/null", "http://203.0.113.10/slow/large")
    yield wait_until("the download is tracked", lambda: next(
        (b["name"] for b in api.get(platform.balancer, "/api/v1/services/portal")["backends"]
         if b["new_flows"] > before[b["name"]]), None))
    download.stop()


def start_lbctl(platform, *words):
    return platform.balancer.start(f"lbctl-{time.monotonic_ns()}", program(platform.balancer.build, "lbctl"),
                                   "--run-dir", platform.balancer.run_dir, *words)


def start_drain(platform, backend, timeout="20s"):
    """`drain --wait` that has begun to wait."""
    drain = start_lbctl(platform, "backend", "drain", backend, "--wait", "--timeout", timeout)
    wait_until("it waits", lambda: re.search(r"\d flows? left", drain.log.read_text()))
    return drain


def test_a_count_by_an_engine_that_stands_still_is_none(platform):
    lbctl = platform.balancer.lbctl
    lbctl("backend", "drain", "portal/b1")
    lbctl("backend", "drain", "portal/b1", "--wait")  # followed by every worker, and without a flow
    platform.balancer.lbdp.signal(signal.SIGSTOP)
    try:
        late = lbctl("backend", "drain", "portal/b1", "--wait", "--timeout", "4s", check=False)
        assert late.code == TIMED_OUT, late.err
        assert "flows are not counted: the engine (lbdp, pid " in late.err and "stands still" in late.err, late.err
        assert "safe to switch off" not in late.err
    finally:
        platform.balancer.lbdp.signal(signal.SIGCONT)
    assert "safe to switch off" in lbctl("backend", "drain", "portal/b1", "--wait").err
    lbctl("backend", "ready", "portal/b1", "--wait")


def test_an_engine_that_is_killed_counts_nothing_until_the_next_one_has(platform, carrier):
    drain = start_drain(platform, f"portal/{carrier}", "6s")
    platform.balancer.lbdp.kill()
    platform.balancer.lbdp.wait()
    wait_until("it says why", lambda: "flows are not counted: the engine is not running" in drain.log.read_text())
    assert drain.is_running()
    platform.balancer.start_lbdp()
    assert drain.wait(25) == TIMED_OUT, drain.tail()  # the download goes on
    assert re.search(r"lbctl: .* \d flows? left after 6", drain.tail()), drain.tail()
    platform.balancer.lbctl("backend", "ready", f"portal/{carrier}", "--wait")


def test_a_backend_that_somebody_makes_ready_is_not_safe(platform, carrier):
    drain = start_drain(platform, f"portal/{carrier}")
    platform.balancer.lbctl("backend", "ready", f"portal/{carrier}")
    assert drain.wait(10) == REFUSED
    assert f"portal/{carrier}: it was made ready meanwhile" in drain.tail(), drain.tail()


def test_a_drain_goes_on_over_a_restart_of_lbd_and_where_it_becomes_maint(platform, carrier):
    drain = start_drain(platform, f"portal/{carrier}")
    platform.balancer.lbd.kill()
    platform.balancer.lbd.wait()
    platform.balancer.start_lbd()
    time.sleep(0.5)  # some looks
    assert drain.is_running(), drain.tail()
    platform.balancer.lbctl("backend", "maint", f"portal/{carrier}", "--wait")
    time.sleep(0.5)  # the flows move to others, and where none is left it has ended
    assert drain.popen.poll() in (None, 0), drain.tail()
    drain.stop()
    platform.balancer.lbctl("backend", "ready", f"portal/{carrier}", "--wait")


def test_a_backend_that_is_removed_is_not_the_one_that_was_drained(platform, carrier):
    lbctl = platform.balancer.lbctl
    address = api.backends(platform.balancer)[f"portal/{carrier}"]["address"]
    drain = start_drain(platform, f"portal/{carrier}")
    lbctl("backend", "remove", f"portal/{carrier}")
    assert drain.wait(10) == REFUSED
    assert f"portal/{carrier}: it was removed meanwhile" in drain.tail(), drain.tail()
    lbctl("backend", "add", f"portal/{carrier}", "--address", address, "--weight", "10")  # in drain, as it was
    lbctl("backend", "ready", f"portal/{carrier}", "--wait")


def test_a_backend_that_is_replaced_by_a_reload_is_not_the_one_that_was_drained(platform, carrier):
    before = platform.balancer.config.read_text()
    address = api.backends(platform.balancer)[f"portal/{carrier}"]["address"]
    drain = start_drain(platform, f"portal/{carrier}")
    platform.balancer.configure(before.replace(f'address = "{address}"', 'address = "10.2.0.99"', 1))
    platform.balancer.lbctl("reload")
    try:
        assert drain.wait(10) == REFUSED
        assert f"portal/{carrier}: it was replaced meanwhile" in drain.tail() and "10.2.0.99" in drain.tail()
    finally:
        platform.balancer.configure(before)
        platform.balancer.lbctl("reload")
        platform.balancer.lbctl("backend", "ready", f"portal/{carrier}", "--wait")


def test_ready_waits_until_it_serves_and_says_why_it_does_not(platform):
    lbctl = platform.balancer.lbctl
    backend = platform.backends[1]
    lbctl("backend", "maint", "portal/b2", "--wait")
    backend.set_healthy(False)
    try:
        late = lbctl("backend", "ready", "portal/b2", "--wait", "--timeout", "2s", check=False)
        assert late.code == TIMED_OUT, late.err
        assert re.search(r"lbctl: portal/b2: portal/b2 is out \(its checks fail: .+\) after 2\.0 s", late.err), late.err
        assert api.backends(platform.balancer)["portal/b2"]["admin"] == "ready"
        published = lbctl("backend", "ready", "portal/b2", "--published")
        assert "serving" not in published.err
        changed = lbctl("backend", "maint", "portal/b2", "--wait")
        assert "acknowledged by 2 workers" in changed.err
        published = lbctl("backend", "ready", "portal/b2", "--published")
        assert "maint -> ready, generation" in published.err and "acknowledged by 2 workers" in published.err
    finally:
        backend.set_healthy(True)
    done = lbctl("backend", "ready", "portal/b2", "--wait")
    assert "portal/b2: serving, after" in done.err
    assert api.backends(platform.balancer)["portal/b2"]["effective"] == "serving"


def test_ready_does_not_wait_for_what_somebody_takes_out_again(platform):
    backend = platform.backends[1]
    platform.balancer.lbctl("backend", "maint", "portal/b2")
    backend.set_healthy(False)
    try:
        ready = start_lbctl(platform, "backend", "ready", "portal/b2", "--wait")
        wait_until("it waits", lambda: "portal/b2 is out" in ready.log.read_text())
        platform.balancer.lbctl("backend", "drain", "portal/b2")
        assert ready.wait(10) == REFUSED
        assert "portal/b2: it is in drain and gets no new flows" in ready.tail()
    finally:
        backend.set_healthy(True)
        platform.balancer.lbctl("backend", "ready", "portal/b2", "--wait")


def test_what_is_added_is_waited_for_too(platform):
    lbctl = platform.balancer.lbctl
    late = lbctl("backend", "add", "portal/b9", "--address", "10.2.0.99", "--wait", "--timeout", "2s", check=False)
    assert late.code == TIMED_OUT and "portal/b9 is out" in late.err, late.err
    lbctl("backend", "remove", "portal/b9", "--wait")


def test_a_server_in_maintenance_that_is_removed_and_added_again_stays_out(platform):
    lbctl = platform.balancer.lbctl
    address = api.backends(platform.balancer)["payments/b3"]["address"]
    lbctl("backend", "maint", "payments/b3", "--reason", "its disk is dead")
    lbctl("backend", "remove", "payments/b3", "--wait")
    added = lbctl("backend", "add", "payments/b3", "--address", address, "--weight", "10", "--wait", check=False)
    assert added.code == REFUSED and "payments/b3: it is in maint and gets no new flows" in added.err, added.err
    assert "payments/b3: it is in maint, as it was when it was removed" in added.err, added.err
    b3 = api.backends(platform.balancer)["payments/b3"]
    assert (b3["admin"], b3["effective"], b3["overrides"][0]["reason"]) == ("maint", "out", "its disk is dead")
    lbctl("backend", "ready", "payments/b3", "--wait")
