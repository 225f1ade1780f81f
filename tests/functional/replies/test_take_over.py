"""Who takes a VIP over says so: a router that knows the machine that had it before learns better at once."""

import pytest
from support.host import wait_until
from support.lab import http_url

LAB = {"backends": 1}
VIPS = {"203.0.113.10": "via 10.2.0.2", "2001:db8::20": "via fd00:2::2"}
OLD_MAC = "02:00:00:00:00:99"
GROUPS = {"ff02::1:ff00:10", "ff02::1:ff00:20"}  # of 2001:db8::10 and 2001:db8::20: RFC 4291, 2.7.1


def groups(lab):
    shown = lab.balancer.run("ip", "-6", "maddr", "show", "dev", "eth0").stdout
    return {line.split()[1] for line in shown.splitlines() if line.strip().startswith("inet6")} & GROUPS


def known(lab, vip):
    """What the router's neighbor cache says of the VIP."""
    return lab.router.run("ip", "neigh", "show", vip, "dev", "edge").stdout


def believe_the_old_one(lab, vip):
    """As after packets that the other machine answered; stale entries are still used until they are confirmed."""
    lab.router.ip(f"neigh replace {vip} lladdr {OLD_MAC} dev edge nud stale")
    assert OLD_MAC in known(lab, vip)


@pytest.fixture
def vips_on_the_segment(platform):
    for vip in VIPS:
        platform.router.ip(f"route replace {vip}/{128 if ':' in vip else 32} dev edge")
    yield platform
    for vip, way in VIPS.items():
        platform.router.ip(f"route replace {vip}/{128 if ':' in vip else 32} {way}")
        platform.router.ip(f"neigh flush dev edge to {vip}")


def test_an_engine_that_starts_corrects_the_routers_cache(vips_on_the_segment):
    lab = vips_on_the_segment
    mac = lab.balancer.link("eth0")["address"]
    lab.balancer.lbdp.stop()
    for vip in VIPS:
        believe_the_old_one(lab, vip)
    lab.balancer.start_lbdp()
    for vip in VIPS:
        wait_until(f"the router knows {mac} for {vip}", lambda vip=vip: mac in known(lab, vip), timeout_s=10)
    for vip in VIPS:
        assert lab.client.get(http_url(vip)) in {backend.name for backend in lab.backends}


def test_a_link_that_comes_back_is_a_take_over(vips_on_the_segment):
    """Whatever the segment has learned while this machine could not be heard."""
    lab = vips_on_the_segment
    mac = lab.balancer.link("eth0")["address"]

    def is_up():
        return lab.balancer.metric("fairlead_port_up", port="edge")

    assert is_up() == 1
    lab.router.ip("link set balancer down")
    wait_until("lbdp has seen that the link is down", lambda: is_up() == 0)
    for vip in VIPS:
        believe_the_old_one(lab, vip)
    lab.router.ip("link set balancer up")
    for vip in VIPS:
        wait_until(f"the router knows {mac} for {vip}", lambda vip=vip: mac in known(lab, vip), timeout_s=10)
    wait_until("the portal answers", lambda: lab.client.run(
        "curl", "-s", "--max-time", "1", http_url("203.0.113.10"), check=False).stdout.strip() == "b1")


def test_announcements_end(vips_on_the_segment):
    """Three times each, and then silence: what the router believes by mistake later stays."""
    lab = vips_on_the_segment
    announced = lab.balancer.metric
    lab.balancer.lbdp.stop()
    after = announced("fairlead_announcements_total") + 3 * len(lab.vips)
    lab.balancer.start_lbdp()
    wait_until("all are sent", lambda: announced("fairlead_announcements_total") == after, timeout_s=20)
    for vip in VIPS:
        believe_the_old_one(lab, vip)
    lab.balancer.run("sleep", "3")  # longer than between two
    assert announced("fairlead_announcements_total") == after
    for vip in VIPS:
        assert OLD_MAC in known(lab, vip)


def test_the_interface_is_a_member_of_the_vips_groups_while_the_engine_runs(platform):
    assert groups(platform) == GROUPS
    platform.balancer.lbdp.stop()
    try:
        assert groups(platform) == set()
    finally:
        platform.balancer.start_lbdp()
    wait_until("the groups are joined again", lambda: groups(platform) == GROUPS, timeout_s=10)
