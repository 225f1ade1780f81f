"""DNS behind the balancer: dnsmasq on the backends, with questions and answers that no packet holds whole."""

import pathlib
import re

import pytest
from support.host import wait_until

SERVICES = [
    ("dns-l2", "203.0.113.10", 53, "udp", "l2"),
    ("dns-gue", "203.0.113.20", 53, "udp", "gue"),
    ("dns-l2-6", "2001:db8::10", 53, "udp", "l2"),
    ("dns-gre-6", "2001:db8::20", 53, "udp", "gre"),
]
LENDING = {"services": SERVICES}
every_service = pytest.mark.parametrize("service", SERVICES, ids=[service[0] for service in SERVICES])
LARGEST_BYTES = 8192
# A TXT record is of strings of up to 255 bytes. Each is told from every other.
STRINGS = [f"{number:03d}" + chr(ord("a") + number) * 247 for number in range(16)]
ASK_DNS = pathlib.Path(__file__).resolve().parent / "ask_dns.py"
PYTHON = "/usr/bin/python3"  # scapy is there; -I: support/platform.py must not hide the standard module
QUESTIONS = 12


@pytest.fixture(scope="module")
def servers(platform):
    """The platform with a DNS server on every VIP of every backend."""
    for backend in platform.backends:
        addresses = [f"--listen-address={service[1]}" for service in SERVICES]
        backend.start("dnsmasq", "dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--pid-file", "--user=root",
                      "--no-resolv", "--no-hosts", "--bind-interfaces", f"--edns-packet-max={LARGEST_BYTES}",
                      *addresses, f"--txt-record=who.lending.test,{backend.name}",
                      f"--txt-record=large.lending.test,{','.join(STRINGS)}")
        wait_until(f"dnsmasq on {backend.name} listens",
                   lambda: len(backend.run("ss", "-Hlun", "sport = :53").stdout.splitlines()) >= len(SERVICES))
    return platform


def dig(lab, vip, name):
    """The strings of a TXT record. Without a TCP to turn to: the service has none."""
    text = lab.client.run("dig", "+short", "+notcp", "+ignore", "+tries=10", "+timeout=1", f"+bufsize={LARGEST_BYTES}",
                          f"@{vip}", name, "TXT").stdout
    return re.findall(r'"([^"]*)"', text)


@every_service
def test_a_large_answer_arrives_whole(servers, service):
    """The answer goes past the balancer in pieces. Over IPv6 the router's Packet Too Big comes to the VIP, and only the
    balancer knows which backend must hear it; dig, which asks from another port each time, meets every backend."""
    assert dig(servers, service[1], "large.lending.test") == STRINGS


@every_service
@pytest.mark.parametrize("extra_bytes", [100, 1400, 1500, 4000])
def test_a_large_question_arrives_whole(servers, service, extra_bytes):
    def forwarded():
        return servers.balancer.metric("fairlead_backend_forwarded_packets_total", service=service[0])
    before = forwarded()
    answered = {servers.client.run(PYTHON, "-IB", ASK_DNS, service[1], "who.lending.test", extra_bytes).stdout.strip()
                for _ in range(QUESTIONS)}
    assert answered <= {backend.name for backend in servers.backends} and len(answered) > 1, answered
    assert forwarded() - before == QUESTIONS * (1 + extra_bytes // 1480)
