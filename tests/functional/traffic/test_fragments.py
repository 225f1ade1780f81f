"""Datagrams that are larger than every MTU on the way: cut by the client's kernel, or by scapy in an order of its own,
put together by the backend's kernel, answered byte for byte."""

import json
import pathlib

import pytest
from support.client import HERE

PORT = 5354
SERVICES = [
    ("large-l2", "203.0.113.10", PORT, "udp", "l2"),
    ("large-ipip", "203.0.113.20", PORT, "udp", "ipip"),
    ("large-l2-6", "2001:db8::10", PORT, "udp", "l2"),
    ("large-ipip-6", "2001:db8::20", PORT, "udp", "ipip"),
]
LENDING = {"services": SERVICES}
PYTHON = "/usr/bin/python3"  # scapy is there; -I: support/platform.py must not hide the standard module
# A veth pair with an XDP program has room for 256 frames: what is under way at once must fit.
SIZES, PARALLEL = (2000, 4000, 1473, 9000, 16000), 10
LARGEST, PARALLEL_LARGEST = (30000, 60000), 3
every_service = pytest.mark.parametrize("service", SERVICES, ids=[service[0] for service in SERVICES])


@pytest.fixture(scope="module")
def echoes(platform):
    """The platform with a UDP server for all services, and several addresses of the client."""
    for backend in platform.backends:
        backend.start_udp_echo(PORT, [service[1] for service in SERVICES])
        # Answers go past the balancer; they fit the client's link as they are.
        backend.ip("route change default via 10.2.0.1 mtu 1500", "route change default via fd00:2::1 mtu 1500")
    for number in range(3, 9):
        platform.client.ip(f"addr add 10.1.0.{number}/24 dev eth0", f"addr add fd00:1::{number}/64 dev eth0 nodad")
    return platform


def ask(lab, service, questions, parallel, sizes, *options):
    path = pathlib.Path(HERE) / "udp_large.py"
    done = lab.client.run(PYTHON, "-IB", path, service[1], service[2], questions, parallel, *sizes, *options,
                          timeout_s=120)
    return json.loads(done.stdout)


def fragment_drops(lab):
    return {dict(labels)["reason"]: value for (name, labels), value in lab.balancer.metrics().items()
            if name == "fairlead_dropped_packets_total" and value > 0 and "fragment" in dict(labels)["reason"]}


def assert_all_answered(lab, found, questions):
    link = lab.router.link("balancer")["stats64"]
    assert (found["wrong"], found["lost"]) == (0, 0), (found, fragment_drops(lab), link)
    assert sum(found["answers"].values()) == questions


@every_service
def test_large_questions_are_answered_by_every_backend(echoes, service):
    before = fragment_drops(echoes)
    found = ask(echoes, service, 300, PARALLEL, SIZES)
    assert_all_answered(echoes, found, 300)
    assert_all_answered(echoes, ask(echoes, service, 60, PARALLEL_LARGEST, LARGEST), 60)
    assert set(found["answers"]) == {backend.name for backend in echoes.backends}
    assert fragment_drops(echoes) == before


@every_service
@pytest.mark.parametrize("order", ["reversed", "shuffled"])
def test_the_order_of_the_pieces_does_not_matter(echoes, service, order):
    def held():
        return echoes.balancer.metric("fairlead_held_packets_total")
    before, held_before = fragment_drops(echoes), held()
    found = ask(echoes, service, 30, 4, (3000, 12000), "--order", order)
    assert_all_answered(echoes, found, 30)
    assert fragment_drops(echoes) == before
    assert held() >= held_before + 30, "at least one piece a datagram came before its first one"


def test_both_workers_forward_fragments(echoes):
    def packets():
        return {dict(labels)["worker"]: value for (name, labels), value in echoes.balancer.metrics().items()
                if name == "fairlead_worker_packets_total"}
    before = packets()
    for number in range(2, 9):
        for service in SERVICES:
            source = f"fd00:1::{number}" if ":" in service[1] else f"10.1.0.{number}"
            assert_all_answered(echoes, ask(echoes, service, 20, 4, (4000,), "--source", source), 20)
    after = packets()
    assert len(after) == 2 and all(after[worker] - before[worker] > 100 for worker in after), (before, after)
