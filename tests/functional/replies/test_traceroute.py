"""The way to a VIP as an operator asks for it: the real traceroute, by each of its methods."""

import pytest
from support.lending import HTTP_SERVICES, NOTIFICATIONS

LENDING = {"service_keys": 'unmatched = "reject"'}
HOPS = {4: ("10.1.0.1", "10.2.0.2"), 6: ("fd00:1::1", "fd00:2::2")}  # the router, then the balancer
VIPS = ("203.0.113.10", "203.0.113.20", "2001:db8::10", "2001:db8::20")
IDS = [f"{name}-{forwarding}-{'v6' if ':' in vip else 'v4'}" for name, vip, _, _, forwarding in HTTP_SERVICES]


def hops(platform, vip, *method):
    """Who has answered, hop by hop: "*" for silence."""
    text = platform.client.run("traceroute", "-n", "-q", "1", "-N", "1", "-w", "2", "-m", "6", *method, vip).stdout
    return tuple(line.split()[1] for line in text.splitlines()[1:])


@pytest.fixture(scope="module", autouse=True)
def router_that_answers_all(platform):
    """Linux limits its ICMP errors to one a second and host after the first six."""
    platform.router.sysctl({"net.ipv4.icmp_ratelimit": 0, "net.ipv6.icmp.ratelimit": 0})


def family_of(vip):
    return 6 if ":" in vip else 4


@pytest.mark.parametrize("service", HTTP_SERVICES, ids=IDS)
def test_by_tcp_to_the_backend(platform, service):
    """A tunnel's entry is a hop; a bridge is none."""
    _, vip, port, _, forwarding = service
    router, balancer = HOPS[family_of(vip)]
    wanted = (router, vip) if forwarding == "l2" else (router, balancer, vip)
    assert hops(platform, vip, "-T", "-p", port) == wanted


def test_by_udp_to_a_port_of_a_service(platform):
    vip, port = NOTIFICATIONS
    found = hops(platform, vip, "-U", "-p", port)
    assert found[0] == HOPS[4][0] and found[-1] == vip and "*" not in found, found


@pytest.mark.parametrize("vip", VIPS)
@pytest.mark.parametrize("method", [("-I",), ()], ids=["echo", "high-ports"])
def test_what_the_balancer_answers_itself_ends_there(platform, vip, method):
    """Pings are the VIP's own, and a port that no service takes is refused."""
    assert hops(platform, vip, *method) == (HOPS[family_of(vip)][0], vip)
