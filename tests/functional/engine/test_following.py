"""A port whose interface changes under it: what the engine follows, and how soon; and that no worker ever waits."""

import os
import pathlib
import re
import time

import pytest

from support.balancer import program, start_and_wait
from support.engine_lab import (OWN4, QUEUES, URL, VIP, answers, config, download, join_anew, prepare, slow_url,
                                wait_for_service, xdp_program)
from support.host import wait_until

FOLLOWED_WITHIN_S = 3
# What a worker may call: each of these returns at once, but for the sleep of idle = "yield".
NEVER_WAIT = re.compile(r"sendto\(\d+, NULL, 0, MSG_DONTWAIT, NULL, 0\)"
                        r"|recvfrom\(\d+, NULL, 0, MSG_DONTWAIT, NULL, NULL\)")
OWN_SLEEP = re.compile(r"(clock_)?nanosleep\(|restart_syscall\(<... resuming interrupted")


@pytest.fixture
def lab(make_lab):
    lab = prepare(make_lab)
    lab.balancer.start_both()
    wait_for_service(lab)
    return lab


def served_again(lab, began, what):
    """How long after `began` a client is answered; each try is short."""
    wait_until(f"served again after {what}", lambda: answers(lab), timeout_s=20)
    seconds = time.monotonic() - began
    print(f"served {seconds:.2f} s after {what}")
    return seconds


def test_an_interface_that_is_made_anew_is_opened_again(lab):
    """Three times, under the same engine; connections that began before go on where a backend has them."""
    for _ in range(3):
        near, far = lab.balancer.link("eth0")["address"], lab.router.link("balancer")["address"]
        lab.balancer.ip("link del eth0")
        wait_until("the engine says so", lambda: "condition=interface_gone" in lab.balancer.lbdp.log.read_text())
        assert not answers(lab)
        join_anew(lab, near, far)
        assert served_again(lab, time.monotonic(), "the interface came back") < FOLLOWED_WITHIN_S
        assert xdp_program(lab) is not None
    assert lab.client.sha256_of(URL + "files/large") == lab.large_sha256


def namespace_of(pid):
    return pathlib.Path(f"/proc/{pid}/ns/net").readlink()


def test_an_interface_that_was_in_another_namespace_meanwhile(lab):
    """It has the same name, index and program, and its sockets are deaf: the kernel has taken them off."""
    index = lab.balancer.link("eth0")["ifindex"]
    elsewhere = lab.balancer.start("elsewhere", "unshare", "--net", "sleep", "60")
    known = {namespace_of(os.getpid()), namespace_of(lab.balancer.lbdp.pid)}
    wait_until("the other namespace is there", lambda: namespace_of(elsewhere.pid) not in known)
    lab.balancer.ip(f"link set eth0 netns {elsewhere.pid}")
    lab.balancer.run("nsenter", f"--net=/proc/{elsewhere.pid}/ns/net", "ip", "link", "set", "eth0", "netns",
                     lab.balancer.namespace)
    assert lab.balancer.link("eth0")["ifindex"] == index
    lab.balancer.ip("link set eth0 up", f"addr replace {OWN4}/24 dev eth0", "route replace default via 10.2.0.1")
    assert served_again(lab, time.monotonic(), "the interface came back") < FOLLOWED_WITHIN_S


def test_a_renamed_interface_keeps_its_sockets(lab):
    with download(lab, slow_url()):
        for old, new in (("eth0", "edge0"), ("edge0", "eth0")):
            lab.balancer.ip(f"link set {old} down", f"link set {old} name {new}", f"link set {new} up",
                            f"addr replace {OWN4}/24 dev {new}", "route replace default via 10.2.0.1")
        assert served_again(lab, time.monotonic(), "the names changed") < FOLLOWED_WITHIN_S
    assert "port-reopens" not in lab.balancer.lbdp.log.read_text()


def queues_opened(lab):
    return re.findall(r"event=port-open .* queues=(\d+)", lab.balancer.lbdp.log.read_text())


@pytest.mark.parametrize("queues_at_first", [2, 1])
def test_more_queues_than_workers_are_all_polled(make_lab, queues_at_first):
    """One worker and two queues, from the start or added while packets flow."""
    lab = prepare(make_lab)
    lab.balancer.configure(config(lab, cpus="0"))
    for count in {1: ("1",), 2: ()}[queues_at_first]:
        lab.router.run("ethtool", "-L", "balancer", "rx", count, "tx", count)
        lab.balancer.run("ethtool", "-L", "eth0", "rx", count, "tx", count)
    lab.balancer.start_both()
    wait_for_service(lab)
    if queues_at_first == 1:
        with download(lab, slow_url()):
            lab.balancer.run("ethtool", "-L", "eth0", "rx", "2", "tx", "2")
            lab.router.run("ethtool", "-L", "balancer", "rx", "2", "tx", "2")
            wait_until("both queues are polled", lambda: queues_opened(lab)[-1] == "2")
            assert served_again(lab, time.monotonic(), "the second queue") < FOLLOWED_WITHIN_S
    assert queues_opened(lab)[-1] == "2"
    assert all(answers(lab) for _ in range(20)), "new connections use both queues"


def test_a_program_that_was_taken_off_is_put_back(lab):
    pinned = lab.balancer.run_dir / "bpf" / "link-eth0"
    lab.balancer.run("bpftool", "link", "detach", "pinned", pinned)
    began = time.monotonic()
    wait_until("the program is back", lambda: xdp_program(lab) is not None)
    assert served_again(lab, began, "the program was taken off") < FOLLOWED_WITHIN_S
    assert "steering-restored" in lab.balancer.lbdp.log.read_text()


def worker_threads(lab):
    tasks = pathlib.Path(f"/proc/{lab.balancer.lbdp.pid}/task").iterdir()
    return [task.name for task in tasks if (task / "comm").read_text().startswith("worker-")]


def calls_of_a_worker(lab, seconds):
    """The system calls of one worker meanwhile, as strace writes them."""
    trace = lab.directory / "calls"
    lab.balancer.run("timeout", "--signal=INT", str(seconds), "strace", "-p", worker_threads(lab)[0],
                     "-o", trace, check=False, timeout_s=seconds + 20)
    return [line for line in trace.read_text().splitlines()
            if not line.startswith(("---", "+++", "strace:")) and "<detached ...>" not in line]


@pytest.mark.parametrize("idle", ["spin", "yield"])
def test_no_worker_ever_waits(make_lab, idle):
    """Under load, then with a port that takes nothing: packets arrive by one port and would leave by another, which is
    switched off. The worker goes on with the rest, and the port sends again when it is back."""
    lab = prepare(make_lab, hugepages="none", port_keys='[[port]]\nname = "uplink"\ninterface = "eth1"')
    lab.balancer.configure(lab.balancer.config.read_text().replace('idle = "yield"', f'idle = "{idle}"'))
    lab.router.ip(f"link add uplink {QUEUES} type veth peer name eth1 {QUEUES} netns {lab.balancer.namespace}",
                  "link set uplink up", "addr add 10.3.0.1/24 dev uplink", f"route replace {VIP}/32 via 10.3.0.2")
    lab.balancer.ip("link set eth1 up", "addr add 10.3.0.2/24 dev eth1")
    lab.router.plain_checksums("uplink")
    lab.balancer.plain_checksums("eth1")
    lab.balancer.start_both()
    wait_for_service(lab)

    load = lab.client.start_load(URL, connections=4, pause_ms=2)
    made = calls_of_a_worker(lab, 2)
    assert any(NEVER_WAIT.match(call) for call in made), "it sends by system calls"

    lab.balancer.lbd.kill()  # it would tell the engine that there is no way to the backends
    lab.balancer.ip("link set eth0 down")
    made += calls_of_a_worker(lab, 2)
    load.stop()
    lab.balancer.ip("link set eth0 up", "route replace default via 10.2.0.1")
    assert served_again(lab, time.monotonic(), "the port was switched on again") < FOLLOWED_WITHIN_S
    waiting = [call for call in made if not NEVER_WAIT.match(call) and not OWN_SLEEP.match(call)]
    assert waiting == [], waiting[:5]
    if idle == "spin":
        assert not any(OWN_SLEEP.match(call) for call in made)


def test_interrupts_wait_where_the_workers_poll_busily(make_lab):
    """In a namespace whose own /sys the engine sees; put back when it ends, and left alone where others set it."""
    lab = prepare(make_lab)
    lab.balancer.configure(config(lab).replace('idle = "yield"\n', ""))
    inside = ["ip", "netns", "exec", lab.balancer.namespace]
    settings = ["/sys/class/net/eth0/napi_defer_hard_irqs", "/sys/class/net/eth0/gro_flush_timeout"]

    def values():
        return lab.balancer.run(*inside, "cat", *settings).stdout.split()

    def run_engine():
        engine = start_and_wait(lab.balancer, "lbdp", [*inside, program(lab.build, "lbdp"), *lab.balancer.where()])
        during = values()
        assert engine.stop() == 0
        return during

    assert values() == ["0", "0"]
    assert run_engine() == ["2", "200000"]
    assert values() == ["0", "0"]
    lab.balancer.run(*inside, "sh", "-c", f"echo 5 > {settings[0]}; echo 90000 > {settings[1]}")
    assert run_engine() == ["5", "90000"]
    assert values() == ["5", "90000"]
