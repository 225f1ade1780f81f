"""Links too small for the packets: a transfer comes to its end only if the right ICMP error reaches the right host."""

import re

import pytest
from support.lab import http_url
from support.lending import HTTP_SERVICES

# The client's link takes 1,500 bytes; of the port's 1,450 a tunnel leaves 1,430 (4in4) or 1,410 (6in6).
PORT_MTU = 1450
LENDING = {"port_keys": f"mtu = {PORT_MTU}"}
SMALL_LINK = 1320
IDS = [f"{name}-{forwarding}-{'v6' if ':' in vip else 'v4'}" for name, vip, _, _, forwarding in HTTP_SERVICES]
every_service = pytest.mark.parametrize("service", HTTP_SERVICES, ids=IDS)


def path_mtu(host, address):
    """What the host's kernel has learned; None if nothing."""
    found = re.search(r"\bmtu (\d+)", host.run("ip", "-o", "route", "get", address).stdout)
    return int(found.group(1)) if found else None


def replies(platform, kind):
    return platform.balancer.metric("fairlead_replies_total", kind=kind)


@every_service
def test_an_upload_larger_than_the_path_learns_its_mtu_from_the_balancer(platform, service):
    name, vip, _, _, forwarding = service
    before = replies(platform, "too_big")
    assert path_mtu(platform.client, vip) is None
    assert platform.client.upload(http_url(vip, f"/upload/big-{name}"), platform.files / "large") == 201
    assert [b.name for b in platform.backends if b.uploaded_sha256(f"big-{name}") == platform.large_sha256]
    overhead = 0 if forwarding == "l2" else (40 if ":" in vip else 20)
    assert path_mtu(platform.client, vip) == PORT_MTU - overhead
    assert replies(platform, "too_big") > before


@every_service
def test_a_download_over_a_small_link_brings_the_routers_error_to_the_backend(platform, service):
    """The router's link to the client is small: the router tells the VIP, and the VIP is everywhere."""
    vip = service[1]
    client = "fd00:1::2" if ":" in vip else "10.1.0.2"
    platform.router.ip(f"link set client mtu {SMALL_LINK}")
    try:
        assert platform.client.sha256_of(http_url(vip, "/files/large"), timeout_s=30) == platform.large_sha256
        learned = [path_mtu(backend, client) for backend in platform.backends]
        assert SMALL_LINK in learned, learned
    finally:
        platform.router.ip("link set client mtu 1500")
        for backend in platform.backends:
            backend.run("ip", "-6" if ":" in vip else "-4", "route", "flush", "cache")
