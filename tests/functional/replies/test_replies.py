"""What the balancer answers by itself, asked by real kernels."""

import math
import pathlib
import re
import sys

import pytest
from support.host import wait_until
from support.lending import HTTP_SERVICES, NOTIFICATIONS, config

ASK = pathlib.Path(__file__).resolve().parent / "ask.py"
VIPS = ("203.0.113.10", "203.0.113.20", "2001:db8::10", "2001:db8::20")
CLOSED_PORT = 81
LENDING = {"service_keys": 'unmatched = "reject"'}


def ask(platform, *words):
    return platform.client.run(sys.executable, "-B", ASK, *words).stdout.strip()


def replies(platform, kind):
    return platform.balancer.metric("fairlead_replies_total", kind=kind)


def ping(platform, vip, *options, count=3):
    """How many answers came. ping itself compares the payload."""
    text = platform.client.run("ping", "-c", count, "-i", "0.05", "-W", "1", *options, vip, check=False).stdout
    assert "wrong data" not in text and "errors" not in text, text
    return int(re.search(r"(\d+) received", text).group(1))


@pytest.mark.parametrize("vip", VIPS)
def test_a_vip_answers_pings_of_every_size(platform, vip):
    largest = 1452 if ":" in vip else 1472
    for size in (0, 1, 7, 8, 56, 57, 512, 1001, largest - 1, largest):
        assert ping(platform, vip, "-s", size, "-M", "do") == 3, size


@pytest.mark.parametrize("vip", VIPS)
def test_a_vip_answers_pings_that_come_in_pieces(platform, vip):
    """The client's kernel cuts them, puts the pieces of the reply together and verifies its checksum."""
    before, pieces = replies(platform, "echo"), 0
    a_piece = 1448 if ":" in vip else 1480
    for size in (1473, 4000, 65507):
        assert ping(platform, vip, "-s", size) == 3, size
        pieces += 3 * math.ceil((8 + size) / a_piece)
    assert replies(platform, "echo") == before + pieces, "every piece is a reply, also to the limit"


@pytest.mark.parametrize("service", HTTP_SERVICES, ids=[service[0] for service in HTTP_SERVICES])
def test_a_packet_whose_hops_end_here_says_where_it_was(platform, service):
    _, vip, port, _, forwarding = service
    v6 = ":" in vip
    assert ask(platform, "ttl", vip, port, 1) == ("fd00:1::1 3 0" if v6 else "10.1.0.1 11 0")
    here = ask(platform, "ttl", vip, port, 2)
    if forwarding == "l2":
        assert here == "open", "a bridge is no hop"
    else:
        assert here == ("fd00:2::2 3 0" if v6 else "10.2.0.2 11 0")


@pytest.mark.parametrize("vip", VIPS)
def test_a_port_without_a_service_is_refused_at_once(platform, vip):
    resets, unreachable = replies(platform, "reset"), replies(platform, "port_unreachable")
    assert ask(platform, "tcp", vip, CLOSED_PORT) == "refused"
    assert ask(platform, "udp", vip, CLOSED_PORT) == "refused"
    assert replies(platform, "reset") == resets + 1
    assert replies(platform, "port_unreachable") == unreachable + 1
    assert ask(platform, "tcp", vip, 80) == "open"


def test_policies_follow_the_configuration(platform):
    vip, port = NOTIFICATIONS
    balancer = platform.balancer
    try:
        balancer.configure(config(platform, service_keys='icmp_echo = "never"'))
        balancer.lbctl("reload", "--wait")
        assert ping(platform, vip) == 0
        assert ask(platform, "tcp", vip, CLOSED_PORT) == "silent"
        assert ask(platform, "udp", vip, port) == "answered"
    finally:
        balancer.configure(config(platform, **LENDING))
        balancer.lbctl("reload", "--wait")
    assert ping(platform, vip) == 3


def test_when_up_means_that_a_service_of_the_vip_has_a_backend(platform):
    """Below a VIP whose backends are all gone, pings end; monitoring sees what users see."""
    vip = "203.0.113.20"
    try:
        for backend in platform.backends:
            backend.set_healthy(False)
        # All at once is a mass failure: the checks take them out after the hold of 10 s.
        wait_until("the VIP is silent", lambda: ping(platform, vip, count=1) == 0, timeout_s=25, interval_s=0.2)
        assert platform.balancer.metric("fairlead_dropped_packets_total", reason="echo_refused") > 0
    finally:
        for backend in platform.backends:
            backend.set_healthy(True)
    wait_until("the VIP answers again", lambda: ping(platform, vip, count=1) == 1, timeout_s=15, interval_s=0.2)
