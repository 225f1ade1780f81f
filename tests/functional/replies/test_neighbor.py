"""A VIP on the router's own segment: the router asks for its MAC address, and the balancer answers."""

import pytest
from support.lab import http_url

VIPS = {"203.0.113.10": "via 10.2.0.2", "2001:db8::20": "via fd00:2::2"}


@pytest.mark.parametrize("vip", VIPS)
def test_the_router_learns_the_balancers_address_for_a_vip(platform, vip):
    length = 128 if ":" in vip else 32
    mac = platform.balancer.link("eth0")["address"]
    before = platform.balancer.metric("fairlead_replies_total", kind="neighbor")
    platform.router.ip(f"route replace {vip}/{length} dev edge")
    try:
        assert platform.client.get(http_url(vip)) in {backend.name for backend in platform.backends}
        known = platform.router.run("ip", "neigh", "show", vip, "dev", "edge").stdout
        assert f"lladdr {mac}" in known, known
        assert platform.balancer.metric("fairlead_replies_total", kind="neighbor") > before
    finally:
        platform.router.ip(f"route replace {vip}/{length} {VIPS[vip]}")
