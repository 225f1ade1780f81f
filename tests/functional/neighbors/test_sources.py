"""The tunnels' outer source is what the kernel would send from, and stays."""

import time

from support.host import wait_until

FAR4, FAR6 = "10.73.0.11", "fd00:73::11"


def test_other_addresses_change_nothing_and_its_own_loss_is_told(net):
    net.start([("b1", "fd00:2::11"), ("b2", "10.2.0.12")])
    wait_until("the source is known", lambda: net.source(6) == "fd00:2::2" and net.source(4) == "10.2.0.2")
    # A VIP, as VRRP puts it there; a renumbering; addresses that the kernel itself would now prefer.
    net.balancer.ip("addr add fd00:2::99/64 dev eth0 nodad preferred_lft 0", "addr add fd00:2::10/64 dev eth0 nodad",
                    "addr add 10.2.0.99/24 dev eth0", "addr add 10.2.0.13/30 dev eth0")
    kernel = net.balancer.run("ip", "-6", "route", "get", "fd00:2::11").stdout
    assert " src fd00:2::10 " in kernel, "the kernel must have changed its mind for this to try anything"
    time.sleep(0.5)
    assert (net.source(6), net.source(4)) == ("fd00:2::2", "10.2.0.2")
    net.balancer.lbd.stop()
    net.balancer.start_lbd()
    assert (net.source(6), net.source(4)) == ("fd00:2::2", "10.2.0.2"), "a restart keeps it too"
    status = net.balancer.lbctl("-o", "json", "status", check=False).json()
    assert status["tunnel_sources"] == [{"port": "edge", "v4": "10.2.0.2", "v6": "fd00:2::2"}]
    assert not [p for p in net.problems() if "tunnels come from" in p]
    net.balancer.ip("addr del fd00:2::2/64 dev eth0")
    wait_until("the source is another", lambda: net.source(6) == "fd00:2::10")
    assert [p for p in net.problems() if "tunnels come from fd00:2::10" in p and "fd00:2::2" in p]
    assert "tunnel-source-changed" in net.balancer.lbd.tail(100)
    assert net.source(4) == "10.2.0.2"


def test_a_route_that_names_its_source_is_followed(net):
    net.balancer.ip("addr add 10.2.0.77/24 dev eth0", "addr add fd00:2::77/64 dev eth0 nodad preferred_lft 0")
    net.start([("b1", FAR4), ("b2", FAR6)])
    wait_until("the source is known", lambda: net.source(4) == "10.2.0.2" and net.source(6) == "fd00:2::2")
    net.balancer.ip("route add 10.73.0.0/24 via 10.2.0.1 src 10.2.0.77",
                    "route add fd00:73::/64 via fd00:2::1 src fd00:2::77")
    wait_until("the route's are taken", lambda: net.source(4) == "10.2.0.77" and net.source(6) == "fd00:2::77")


def test_configured_sources_win_one_a_family(net):
    net.balancer.ip("addr add 10.2.0.77/24 dev eth0", "addr add fd00:2::77/64 dev eth0 nodad")
    net.start([("b1", "10.2.0.11"), ("b2", "fd00:2::12")], port_keys='tunnel_source = ["10.2.0.77", "fd00:2::77"]')
    wait_until("they are in force", lambda: net.source(4) == "10.2.0.77" and net.source(6) == "fd00:2::77")


def test_a_host_whose_addresses_are_on_lo(net):
    """Unnumbered BGP: the interface has link-local addresses alone, and routes lead through them."""
    gateway = "fe80::1"
    net.router.ip(f"addr add {gateway}/64 dev edge nodad", "addr add 10.73.0.11/32 dev lo",
                  "addr add fd00:73::11/128 dev lo nodad")
    net.balancer.ip("addr flush dev eth0 scope global", "addr add 10.99.0.2/32 dev lo",
                    "addr add fd00:99::2/128 dev lo nodad",
                    f"route add {FAR4}/32 via inet6 {gateway} dev eth0 src 10.99.0.2",
                    f"route add {FAR6}/128 via {gateway} dev eth0 src fd00:99::2")
    net.start([("b1", FAR4), ("b2", FAR6)])
    router = net.router.link("edge")["address"]
    net.wait_mac("s4/b1", router)
    net.wait_mac("s6/b2", router)
    wait_until("tunnels come from lo's", lambda: (net.source(4), net.source(6)) == ("10.99.0.2", "fd00:99::2"))
