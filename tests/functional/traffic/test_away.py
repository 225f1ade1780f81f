"""The engine is killed and stays away for ten seconds: the steering program forwards meanwhile what the rings alone
decide, so that new connections work, and what it cannot decide is late and not broken."""

import ctypes
import json
import mmap
import os
import platform as machine
import signal
import socket
import struct
import time

import pytest
from support import api
from support.balancer import program
from support.host import wait_until
from support.lending import HTTP_SERVICES, NOTIFICATIONS, URLS
from support.lab import http_url

LAB = {"file_bytes": 24 << 20}  # 12 s at the 2 MiB/s of /slow/
AWAY_S = 10
STOPPED_S = 5
SLOW_MS = 1000  # when a client sends its SYN again


@pytest.fixture(scope="module", autouse=True)
def peer(platform):
    platform.let_steering_send()


@pytest.fixture
def engine_away(platform):
    """Kills the engine; it is back after the test."""
    def kill():
        platform.balancer.lbdp.kill()
        platform.balancer.lbdp.wait()
    yield kill
    if not platform.balancer.lbdp.is_running():
        platform.balancer.start_lbdp()
    wait_until("every backend serves", lambda: api.all_serve(platform.balancer), timeout_s=20)


def share_of_settled_slots(platform):
    """Over the rings of all services that are forwarded without an engine (bpf/abi/steer_away.h)."""
    def bpftool(name, *words):
        pin = platform.balancer.run_dir / "bpf" / name
        return json.loads(platform.balancer.run("bpftool", "-j", "map", words[0], "pinned", pin, *words[1:]).stdout)

    settled = slots = 0
    for service in bpftool("services", "dump"):
        value = bytes(int(byte, 16) for byte in service["value"])
        _, ring, entries, kind = struct.unpack_from("<QIIB", value)
        assert kind == 1, service
        found = bpftool("rings", "lookup", "key", *ring.to_bytes(4, "little"))["value"]
        settled += sum(int(byte, 16) >= 0x80 for byte in found[1:2 * entries:2])
        slots += entries
    return settled / slots if slots else 0


def wait_for_settled_slots(platform, share=1.0):
    wait_until("the slots are settled", lambda: share_of_settled_slots(platform) >= share, interval_s=0.5)


def start_downloads(platform, prefix, services=HTTP_SERVICES):
    return {name: platform.client.start(
        f"{prefix}-{name}", "bash", "-o", "pipefail", "-c",
        'curl -sS --globoff --fail --max-time 90 "$0" | sha256sum', http_url(vip, "/slow/large"))
            for name, vip, _, _, _ in services}


def expect_whole(platform, downloads):
    for name, download in downloads.items():
        assert download.wait(90) == 0, f"{name}: {download.tail()}"
        assert platform.large_sha256 in download.log.read_text(), name


def test_connections_whose_slot_has_moved_are_late_and_not_broken(platform, engine_away):
    """Only the flow table knows where they are. Connections in slots that stayed go on without the engine.

    The first test, since flows that have ended are remembered for a while, and are astray like any other."""
    downloads = start_downloads(platform, "moved")
    wait_until("each download is tracked", lambda: all(
        any(b["active_flows"] for b in api.get(platform.balancer, f"/api/v1/services/{name}")["backends"])
        for name in downloads))
    try:
        # Each service's slots go to one backend, most of them from another.
        for name in downloads:
            for backend, weight in (("b2", 256), ("b1", 0), ("b3", 0)):
                platform.balancer.lbctl("backend", "weight", f"{name}/{backend}", weight, "--wait")
        wait_for_settled_slots(platform, share=0.999)
        assert share_of_settled_slots(platform) < 1, "no download's slot has moved"
        engine_away()
        began = time.monotonic()
        for url in URLS.values():
            assert platform.client.get(url) == "b2"
        wait_until("three seconds have passed", lambda: time.monotonic() > began + 3)
        assert all(download.is_running() for download in downloads.values()), "too late to test anything, or broken"
        platform.balancer.start_lbdp()
        expect_whole(platform, downloads)
    finally:
        if not platform.balancer.lbdp.is_running():
            platform.balancer.start_lbdp()
        for name in downloads:
            for backend in ("b1", "b2", "b3"):
                platform.balancer.lbctl("backend", "weight", f"{name}/{backend}", 10, "--wait")


def ring_of(platform, vip, port):
    """The number of the ring of a TCP service over IPv4."""
    key = bytes(10) + b"\xff\xff" + socket.inet_aton(vip) + struct.pack("!HBB", port, 6, 0)
    words = (str(byte) for byte in key)
    pin = platform.balancer.run_dir / "bpf" / "services"
    found = json.loads(platform.balancer.run("bpftool", "-j", "map", "lookup", "pinned", pin, "key", *words).stdout)
    _, number = struct.unpack_from("<QI", bytes(int(byte, 16) for byte in found["value"]))
    return number


def map_pinned(pin, size):
    """A pinned BPF map's memory, read-only."""
    calls = {"x86_64": 321, "aarch64": 280}  # bpf(2)
    path = ctypes.create_string_buffer(os.fsencode(pin))
    attributes = struct.pack("QII", ctypes.addressof(path), 0, 0)
    get = 7  # BPF_OBJ_GET
    descriptor = ctypes.CDLL(None, use_errno=True).syscall(calls[machine.machine()], get, attributes, len(attributes))
    assert descriptor >= 0, f"{pin}: {os.strerror(ctypes.get_errno())}"
    try:
        return mmap.mmap(descriptor, size, mmap.MAP_SHARED, mmap.PROT_READ)
    finally:
        os.close(descriptor)


def test_a_worker_follows_no_ring_that_the_steering_program_does_not_know(platform):
    """An engine that dies or stops at the moment of a change has begun no flow that the program takes elsewhere.

    Looked at is the moment at which the first worker acknowledges a generation: its rings are mirrored by then."""
    stride, slots = 131080, 65537  # bpf/abi/steer_away.h
    owner_bits = 0x7FFF  # without the flag that a slot is settled
    all_rings = map_pinned(platform.balancer.run_dir / "bpf" / "rings", 64 * stride)
    ring_at = stride * ring_of(platform, "203.0.113.10", 80)
    with open(platform.balancer.run_dir / "telemetry", "rb") as file:
        telemetry = mmap.mmap(file.fileno(), 0, mmap.MAP_SHARED, mmap.PROT_READ)
    (workers_at,) = struct.unpack_from("Q", telemetry, 80)  # dp/shm/telemetry.h
    acknowledged = memoryview(telemetry)[workers_at:workers_at + 8].cast("Q")
    lbctl = program(platform.balancer.build, "lbctl")

    def owners():
        return memoryview(all_rings[ring_at:ring_at + 2 * slots]).cast("H")

    for change in range(30):
        followed = acknowledged[0]
        weight = platform.balancer.start("weight", lbctl, "--run-dir", platform.balancer.run_dir, "backend", "weight",
                                         "portal/b1", 10 if change % 2 else 100, "--wait")
        deadline = time.monotonic() + 10
        while acknowledged[0] == followed and time.monotonic() < deadline:
            pass
        at_once = owners()
        assert weight.wait() == 0, weight.tail()
        late = sum((then ^ now) & owner_bits != 0 for then, now in zip(at_once, owners()))
        assert late == 0, f"change {change}: a worker follows a ring of which {late} slots were not mirrored"


def expect_few_slow(name, results, began, ended, at_least, one_in):
    """Nothing has failed, and of the requests begun meanwhile, which it returns, fewer than one in so many was slow."""
    assert [r for r in results if r["error"]] == [], name
    meanwhile = [r for r in results if began <= r["at"] < ended]
    slow = sum(r["ms"] > SLOW_MS for r in meanwhile)
    assert len(meanwhile) > at_least and slow * one_in < len(meanwhile), f"{name}: {slow} of {len(meanwhile)} were slow"
    return meanwhile


def test_new_connections_work_all_the_time(platform, loads, engine_away):
    wait_for_settled_slots(platform)
    started = loads()
    for load in started.values():
        load.wait_for_more(20)
    engine_away()
    began = time.monotonic()
    echoes = [platform.client.udp(*NOTIFICATIONS, "anybody there") for _ in range(5)]
    wait_until("the time is over", lambda: time.monotonic() > began + AWAY_S, timeout_s=AWAY_S + 5)
    ended = time.monotonic()
    platform.balancer.start_lbdp()
    for name, load in started.items():
        load.wait_for_more(20)
        away = expect_few_slow(name, load.stop(), began, ended, at_least=100, one_in=100)
        assert {r["backend"] for r in away} == {"b1", "b2", "b3"}, name
    assert all(echo and echo.endswith("anybody there") for echo in echoes), echoes
    wait_until("the port tells it",
               lambda: platform.balancer.metric("fairlead_port_away_packets_total", port="edge") > 500)


def test_new_connections_pass_by_a_stopped_engine(platform, loads):
    """Its sockets are there, and nobody polls them; what only it can decide waits there and is late."""
    wait_for_settled_slots(platform)
    away_before = platform.balancer.metric("fairlead_port_away_packets_total", port="edge")
    started = loads()
    for load in started.values():
        load.wait_for_more(20)
    platform.balancer.lbdp.signal(signal.SIGSTOP)
    try:
        began = time.monotonic()
        wait_until("status tells it", lambda: platform.balancer.lbctl("status", "--check", check=False).code == 2)
        wait_until("the time is over", lambda: time.monotonic() > began + STOPPED_S, timeout_s=STOPPED_S + 5)
        ended = time.monotonic()
    finally:
        platform.balancer.lbdp.signal(signal.SIGCONT)
    for name, load in started.items():
        load.wait_for_more(20)
        expect_few_slow(name, load.stop(), began, ended, at_least=50, one_in=50)
    wait_until("the port tells it", lambda: platform.balancer.metric("fairlead_port_away_packets_total", port="edge")
               > away_before + 250)


def test_what_begins_without_an_engine_goes_on_with_the_next(platform, engine_away):
    wait_for_settled_slots(platform)
    engine_away()
    downloads = start_downloads(platform, "begun-away")
    wait_until("each has a connection", lambda: all(
        any(connections_to(backend, vip) for backend in platform.backends) for _, vip, _, _, _ in HTTP_SERVICES))
    platform.balancer.start_lbdp()
    assert all(download.is_running() for download in downloads.values()), "too late to test anything"
    expect_whole(platform, downloads)


def connections_to(backend, vip):
    source = f"[{vip}]" if ":" in vip else vip
    return backend.run("ss", "-Htn", "state", "established", f"src {source} and sport = :80").stdout.splitlines()
