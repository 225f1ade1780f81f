"""Whether the engine moves packets: a process that is there but does not run is never called forwarding."""

import signal
import time

from support import threads
from support.host import wait_until
from support.lending import URLS

# Two seconds, and what a busy machine adds.
SOON_S = 5


def check(platform):
    return platform.balancer.lbctl("status", "--check", check=False)


def wait_critical(platform, words):
    """Until `status --check` is critical and says so; its line."""
    def line():
        done = check(platform)
        return done.out if done.code == 2 and words in done.out else None
    return wait_until(f"critical: {words}", line, SOON_S)


def wait_well(platform):
    wait_until("status --check is OK", lambda: check(platform).code == 0, SOON_S)
    assert platform.client.get(URLS["portal"]) in {"b1", "b2", "b3"}


def engine(platform):
    return platform.balancer.lbctl("-o", "json", "status").json()["engine"]


def log_of(platform, name):
    return (platform.balancer.directory / f"{name}.log").read_text()


def test_a_stopped_engine_is_critical_until_it_goes_on(platform):
    balancer = platform.balancer
    wait_well(platform)
    assert balancer.metric("fairlead_engine_forwarding") == 1
    balancer.lbdp.signal(signal.SIGSTOP)
    try:
        line = wait_critical(platform, "nothing is forwarded")
        assert f"kill -CONT {balancer.lbdp.pid}" in line
        page = balancer.lbctl("status").out
        assert "stands still (2 of 2 workers)" in page and "forwarding, pid" not in page
        assert engine(platform)["state"] == "stalled"
        assert balancer.metric("fairlead_engine_up") == 1, "the process is there"
        assert balancer.metric("fairlead_engine_forwarding") == 0
        assert balancer.metric("fairlead_worker_stalled") == 2
        assert balancer.metric("fairlead_engine_control_stalled") == 1
    finally:
        balancer.lbdp.signal(signal.SIGCONT)
    wait_well(platform)
    assert balancer.metric("fairlead_engine_forwarding") == 1
    assert balancer.metric("fairlead_worker_stalled") == 0
    assert "event=worker-stands-still" in log_of(platform, "lbd")
    assert "event=worker-turns-again" in log_of(platform, "lbd")


def test_one_worker_that_hangs_is_named(platform):
    balancer = platform.balancer
    wait_well(platform)
    cpu = engine(platform)["workers"][1]["cpu"]
    with threads.stopped(threads.thread_id(balancer.lbdp.pid, "worker-1")):
        wait_critical(platform, f"worker 1 on CPU {cpu} has stood still for ")
        assert [worker["stalled"] for worker in engine(platform)["workers"]] == [False, True]
        assert balancer.metric("fairlead_worker_stalled", worker="0") == 0
        assert balancer.metric("fairlead_worker_stalled", worker="1") == 1
    wait_well(platform)


def test_a_control_thread_that_hangs_is_told(platform):
    balancer = platform.balancer
    wait_well(platform)
    with threads.stopped(balancer.lbdp.pid):
        wait_critical(platform, "control thread of the engine")
        assert "its control thread stands still" in balancer.lbctl("status").out
        assert balancer.metric("fairlead_engine_control_stalled") == 1
        assert balancer.metric("fairlead_worker_stalled") == 0
    wait_well(platform)


def test_a_daemon_that_was_stopped_itself_takes_nobody_for_hung(platform):
    balancer = platform.balancer
    wait_well(platform)
    before = log_of(platform, "lbd")
    balancer.lbd.signal(signal.SIGSTOP)
    time.sleep(4)
    balancer.lbd.signal(signal.SIGCONT)
    done = check(platform)
    assert done.code == 0, done.out
    assert "stands-still" not in log_of(platform, "lbd")[len(before):]


def test_an_engine_that_is_starting_is_not_forwarding(platform):
    balancer = platform.balancer
    assert balancer.lbdp.stop() == 0
    assert engine(platform)["state"] == "down"
    balancer.lbd.signal(signal.SIGSTOP)  # who writes tables is away, and these are taken from the engine
    try:
        tables = balancer.run_dir / "tables"
        tables.rename(balancer.run_dir / "tables.away")
        balancer.start_lbdp()
    finally:
        balancer.lbd.signal(signal.SIGCONT)
    try:
        line = wait_critical(platform, 'removed, replaced or cut the file "tables"')
        assert "nothing is forwarded; restart lbd" in line
        assert "is starting" not in line, "one cause is told once"
        assert "starting, forwards nothing yet" in balancer.lbctl("status").out
        assert balancer.metric("fairlead_engine_forwarding") == 0
    finally:
        (balancer.run_dir / "tables.away").rename(tables)
    wait_well(platform)
