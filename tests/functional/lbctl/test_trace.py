"""lbctl trace against the truth: what it foresees is what a connection of that very 5-tuple then does."""

import contextlib
import re

import pytest
from support import lending
from support.host import wait_until

USAGE = 2
CLIENT = {4: "10.1.0.2", 6: "fd00:1::2"}


def end(address, port):
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def trace(platform, service, port, *options, destination_port=None):
    """The answer for a packet of the client to a service, as JSON."""
    _, vip, vip_port, protocol, _ = next(s for s in lending.SERVICES if s[0] == service)
    client = CLIENT[6 if ":" in vip else 4]
    words = ["trace", protocol, end(client, port), end(vip, destination_port or vip_port), *options]
    return platform.balancer.lbctl("-o", "json", *words).json()


def get(platform, service, port):
    """The name of the backend that answers a connection from this port of the client."""
    return platform.client.get(lending.URLS[service], "--local-port", str(port))


@contextlib.contextmanager
def connection(platform, service, port):
    """A connection that stays open, from this port; yields the answer of the engine's flow table."""
    process = platform.client.start(f"slow-{port}", "curl", "-sS", "--globoff", "--limit-rate", "1m", "-o",
                                    "/dev/null", "--local-port", str(port), lending.URLS[service] + "slow/large")
    wait_until("the connection is tracked as established", lambda: any(
        flow["state"] == "established" for flow in trace(platform, service, port, "--flags", "established")["flows"]))
    try:
        yield
        assert process.is_running(), process.tail()
    finally:
        process.stop()


@pytest.mark.parametrize("number,service", enumerate(service[0] for service in lending.HTTP_SERVICES))
def test_a_new_connection_goes_where_it_was_foreseen(platform, number, service):
    backends = set()
    for port in range(20001 + 20 * number, 20013 + 20 * number):
        foreseen = trace(platform, service, port)
        assert (foreseen["verdict"], foreseen["decided_by"], foreseen["flows"]) == ("forward", "ring", [])
        assert foreseen["ring"]["backend"] == foreseen["backend"]["name"]
        assert get(platform, service, port) == foreseen["backend"]["name"]
        backends.add(foreseen["backend"]["name"])
    assert len(backends) > 1
    outer = foreseen["output"]["outer"]
    if foreseen["service"]["forwarding"] == "l2":
        assert outer is None
    else:
        assert outer["source"] in lending.BALANCER_ADDRESSES and outer["destination"] == foreseen["backend"]["address"]
    assert foreseen["output"]["destination_mac"] == foreseen["backend"]["link"]["mac"]


def test_udp(platform):
    foreseen = trace(platform, "notifications", 20100)
    answer = platform.client.run("/usr/bin/python3", "-c", (
        "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('', 20100)); s.settimeout(2);"
        f"s.sendto(b'x', {lending.NOTIFICATIONS}); print(s.recv(99).decode())")).stdout
    assert answer.split()[0] == foreseen["backend"]["name"]


def test_over_a_drain_an_established_flow_stays_and_a_new_one_is_foreseen_elsewhere(platform):
    lbctl = platform.balancer.lbctl
    with connection(platform, "portal", 20200):
        before = trace(platform, "portal", 20200, "--flags", "established")
        assert before["decided_by"] == "flow_table" and before["flows"][0]["worker"] in (0, 1)
        carrier = before["backend"]["name"]
        assert carrier == before["ring"]["backend"]
        lbctl("backend", "drain", f"portal/{carrier}", "--wait", "--timeout", "1s", check=False)
        try:
            after = trace(platform, "portal", 20200, "--flags", "established")
            assert (after["backend"]["name"], after["decided_by"]) == (carrier, "flow_table")
            assert after["backend"]["effective"] == "draining" and after["ring"]["backend"] != carrier
            page = lbctl("trace", "tcp", "10.1.0.2:20200", "203.0.113.10:80", "--flags", "established").out
            assert re.search(rf"^Backend +portal/{carrier} at \S+, draining .*by the flow table of worker [01]$", page,
                             re.MULTILINE), page
            for port in range(20201, 20210):
                foreseen = trace(platform, "portal", port)["backend"]["name"]
                assert foreseen != carrier and get(platform, "portal", port) == foreseen
        finally:
            lbctl("backend", "ready", f"portal/{carrier}", "--wait")


def test_maintenance_moves_an_established_flow(platform):
    lbctl = platform.balancer.lbctl
    with connection(platform, "portal", 20300):
        carrier = trace(platform, "portal", 20300, "--flags", "established")["backend"]["name"]
    lbctl("backend", "maint", f"portal/{carrier}", "--wait")
    try:
        moved = trace(platform, "portal", 20300, "--flags", "established")
        assert moved["decided_by"] == "ring" and moved["backend"]["name"] != carrier
    finally:
        lbctl("backend", "ready", f"portal/{carrier}", "--wait")


def test_what_is_not_forwarded_has_its_reason(platform):
    unmatched = trace(platform, "portal", 20400, destination_port=81)
    assert (unmatched["verdict"], unmatched["reason"], unmatched["service"]) == ("drop", "no_service", None)
    assert "No service listens on this port" in unmatched["sentence"]
    page = platform.balancer.lbctl("trace", "tcp", "10.1.0.2:1", "203.0.113.10:81").out
    assert "Verdict  dropped: no_service. No service listens" in page
    page = platform.balancer.lbctl("trace", "tcp", "10.1.0.2:1", "10.2.0.2:22").out
    assert "Verdict  Not for a VIP" in page
    martian = platform.balancer.lbctl("-o", "json", "trace", "tcp", "127.0.0.1:1", "203.0.113.10:80").json()
    assert martian["reason"] == "martian_source"


@pytest.mark.parametrize("words", [["icmp", "10.0.0.1:1", "10.0.0.2:2"], ["tcp", "10.0.0.1", "10.0.0.2:2"],
                                   ["tcp", "10.0.0.1:1", "[::1]:2"], ["udp", "10.0.0.1:1", "10.0.0.2:2",
                                                                      "--flags", "S"]])
def test_a_wrong_5_tuple_is_usage(platform, words):
    done = platform.balancer.lbctl("trace", *words, check=False)
    assert (done.code, done.out) == (USAGE, "") and ("must be" in done.err or "no flags" in done.err)


def test_a_trace_leaves_no_trace(platform):
    def counted():
        return {series: value for series, value in platform.balancer.metrics().items()
                if re.match("fairlead_(service_(received|new|dropped)|flow_lookups|worker_packets)", series[0])}
    trace(platform, "portal", 1)
    before = counted()
    assert len(before) > 20
    for port in range(1, 9):
        trace(platform, "portal", port)
        trace(platform, "portal", port, destination_port=81)
    assert counted() == before


def test_without_an_engine_it_says_so(platform):
    assert platform.balancer.lbdp.stop() == 0
    try:
        assert trace(platform, "portal", 20500)["engine_up"] is False
        page = platform.balancer.lbctl("trace", "tcp", "10.1.0.2:20500", "203.0.113.10:80").out
        assert re.search("^Engine +not running", page, re.MULTILINE), page
    finally:
        platform.balancer.start_lbdp()
    assert trace(platform, "portal", 20500)["engine_up"] is True
