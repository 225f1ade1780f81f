"""Services of a range of ports and of any port, and clients that stay with a backend: real nginx, real sockets.

Each service of the first two VIPs has a backend of its own, so the answer names the service. nginx listens on every
port of PORTS everywhere: a port that no service takes is refused by the balancer, not by a backend.
"""

import itertools
import os
import signal

import pytest
from support import api
from support.balancer import start_lbagent
from support.host import LabError, wait_until
from support.lab import Lab, http_url
from support.lending import BACKEND, BALANCER_ADDRESSES, SERVICE, head

PORTS = (80, 7999, 8000, 8050, 8100, 8101, 9000)
UDP_PORTS = (5353, 6000)
RANGED = {4: "203.0.113.10", 6: "2001:db8::10"}
OPEN = {4: "203.0.113.20", 6: "2001:db8::20"}
BOUND = {4: "203.0.113.30", 6: "2001:db8::30"}
VIPS = (*RANGED.values(), *OPEN.values(), *BOUND.values())
families = pytest.mark.parametrize("family", [4, 6])

# name, VIP, ports, protocol, forwarding, backends, further keys
SERVICES = [
    ("range", RANGED, "8000-8100", "tcp", "l2", ("b1",), 'unmatched = "reject"'),
    ("inside", RANGED, "8050", "tcp", "ipip", ("b2",), ""),
    ("open", OPEN, "any", "tcp", "gue", ("b3",), ""),
    ("open-range", OPEN, "8000-8100", "tcp", "l2", ("b1",), ""),
    ("open-inside", OPEN, "8050", "tcp", "gre", ("b2",), ""),
    ("open-udp", OPEN, "any", "udp", "l2", ("b3",), ""),
    ("open-udp-inside", OPEN, "5353", "udp", "l2", ("b1",), ""),
    ("bound", BOUND, "8000-8100", "tcp", "l2", ("b1", "b2", "b3"), 'hash = "source"'),
    ("bound-wide", BOUND, "9000", "tcp", "l2", ("b1", "b2", "b3"), 'hash = "source"\nsource_prefix = 28'),
]


def config(lab, services=tuple(SERVICES)):
    text = head(lab)
    for (name, vips, ports, protocol, forwarding, backends, keys), family in itertools.product(services, (4, 6)):
        vip = f"[{vips[6]}]:{ports}" if family == 6 else f"{vips[4]}:{ports}"
        text += SERVICE.format(name=f"{name}{family}", vip=vip, protocol=protocol, forwarding=forwarding,
                               service_keys=keys)
        for backend in map(lab.backend, backends):
            text += BACKEND.format(name=backend.name, address=backend.addresses[family], weight=10)
    return text


def client_networks(number):
    """A /64 of a client's own, and addresses in it."""
    return f"fd00:1:0:{number:x}::/64", [f"fd00:1:0:{number:x}:{host}" for host in (":2", ":aaaa:1", "ffff:ffff:0:7")]


@pytest.fixture(scope="module")
def keys(request, build_dir):
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    failed_before = request.session.testsfailed
    with Lab(build=build_dir, backends=3, vips=VIPS, ports=PORTS, file_bytes=1 << 20) as lab:
        try:
            vips = [word for vip in lab.vips for word in ("--vip", vip)]
            balancers = [word for address in BALANCER_ADDRESSES for word in ("--balancer", address)]
            for backend in lab.backends:
                start_lbagent(backend, lab.build, "--interface", "eth0", *vips, *balancers)
                for port in UDP_PORTS:
                    backend.start_udp_echo(port, OPEN.values())
            lab.client.ip(*[f"addr add 10.1.0.{host}/24 dev eth0" for host in range(64, 160)])
            for number in range(1, 13):
                network, addresses = client_networks(number)
                lab.client.ip(*[f"addr add {address}/128 dev eth0 nodad" for address in addresses])
                lab.router.ip(f"route add {network} via fd00:1::2")
            lab.balancer.configure(config(lab))
            lab.balancer.start_both()
            wait_until("every backend serves", lambda: api.all_serve(lab.balancer), timeout_s=20)
            yield lab
        finally:
            if request.session.testsfailed > failed_before:
                print(lab.logs())


def answers(lab, vip, ports, source=None):
    """Who answers, a connection a port."""
    options = ["-H", "Connection: close"] + (["--interface", source] if source else [])
    urls = [http_url(vip, port=port) for port in ports]
    return lab.client.get(urls[-1], *options, *urls[:-1]).split()


def refusal(lab, vip, port):
    """How a connection does not come about, by curl's exit codes."""
    with pytest.raises(LabError) as raised:
        lab.client.get(http_url(vip, port=port), timeout_s=2)
    return next((word for code, word in ((7, "refused"), (28, "silent")) if f"exit {code}:" in str(raised.value)),
                raised.value)


@families
def test_a_range_from_its_first_port_to_its_last(keys, family):
    assert answers(keys, RANGED[family], (8000, 8050, 8100)) == ["b1", "b2", "b1"], "the exact port has its own service"
    for port in (7999, 8101, 80):
        assert refusal(keys, RANGED[family], port) == "refused", port


@families
def test_any_port_takes_what_nothing_else_does(keys, family):
    assert answers(keys, OPEN[family], PORTS) == ["b3", "b3", "b1", "b2", "b1", "b3", "b3"]


@families
def test_udp_of_any_port_also_in_pieces(keys, family):
    for port, name in zip(UDP_PORTS, ("b1", "b3")):
        assert keys.client.udp(OPEN[family], port, "short") == f"{name} short"
        # The first large answer over IPv6 is too big for the router, whose error about the VIP's flow comes back by
        # the balancer and teaches the backend; the second fits.
        large = "l" * 4000
        first, second = (keys.client.udp(OPEN[family], port, large, timeout_s=1) for _ in range(2))
        assert second == f"{name} {large}", (port, second)
        assert first == second or family == 6


def test_where_a_range_is_silent_it_is_dropped_and_counted(keys):
    """Without "reject" on its VIP."""
    dropped = keys.balancer.metric("fairlead_dropped_packets_total", reason="no_service")
    assert refusal(keys, BOUND[4], 7999) == "silent"
    assert keys.balancer.metric("fairlead_dropped_packets_total", reason="no_service") > dropped


def test_every_connection_of_a_client_goes_to_its_backend_and_clients_spread(keys):
    used, of_16 = {}, {}
    for host in range(64, 160):
        source = f"10.1.0.{host}"
        one = answers(keys, BOUND[4], (8000, 8050, 8100, 8000), source)
        assert len(set(one)) == 1, (source, one)
        used.setdefault(one[0], []).append(source)
        of_16.setdefault(host // 16, set()).update(answers(keys, BOUND[4], (9000,), source))
    assert len(used) == 3 and min(map(len, used.values())) > 12, used
    assert all(len(backends) == 1 for backends in of_16.values()), of_16
    assert len(set.union(*of_16.values())) > 1, of_16


def test_an_ipv6_client_is_its_network(keys):
    used = set()
    for number in range(1, 13):
        _, addresses = client_networks(number)
        one = {name for address in addresses for name in answers(keys, BOUND[6], (8000, 8100), address)}
        assert len(one) == 1, (number, one)
        used |= one
    assert len(used) > 1, used


def test_trace_and_pages_tell_the_same(keys):
    lbctl = keys.balancer.lbctl
    for host in (70, 90, 110, 130):
        source = f"10.1.0.{host}"
        trace = lbctl("-o", "json", "trace", "tcp", f"{source}:999", f"{BOUND[4]}:8077").json()
        assert trace["ring"]["client"] == f"{source}/32" and trace["decided_by"] == "ring"
        assert answers(keys, BOUND[4], (8000,), source) == [trace["backend"]["name"]]
    wide = lbctl("trace", "tcp", "10.1.0.70:999", f"{BOUND[4]}:9000").out
    assert "for all of 10.1.0.64/28" in wide, wide
    networks = lbctl("trace", "tcp", "[fd00:1:0:7::2]:999", f"[{BOUND[6]}]:8050").out
    assert "for all of fd00:1:0:7::/64" in networks, networks
    taken = {port: lbctl("-o", "json", "trace", "tcp", "10.1.0.2:999", f"{OPEN[4]}:{port}").json()["service"]["name"]
             for port in (1, 8001, 8050, 65535)}
    assert taken == {1: "open4", 8001: "open-range4", 8050: "open-inside4", 65535: "open4"}

    page = lbctl("service", "show", "range6").out
    assert "[2001:db8::10]:8000-8100 tcp, by l2, hash 5tuple" in page, page
    table = lbctl("service", "list").out
    assert "203.0.113.20:any" in table and "203.0.113.30:8000-8100" in table, table
    assert "hash source/28" in lbctl("service", "show", "bound-wide4").out
    assert keys.balancer.metric("fairlead_service_info", vip="203.0.113.30:8000-8100", hash="source/32") == 1
    assert keys.balancer.metric("fairlead_service_info", vip="[2001:db8::20]:any", protocol="udp") == 1


def test_a_killed_daemon_finds_its_ranges_again(keys):
    before = {f"10.1.0.{host}": answers(keys, BOUND[4], (8000,), f"10.1.0.{host}") for host in range(64, 80)}
    generation = api.get(keys.balancer, "/api/v1/status")["generation"]
    keys.balancer.lbd.kill(signal.SIGKILL)
    keys.balancer.lbd.wait()
    assert answers(keys, OPEN[4], (80, 8000, 8050)) == ["b3", "b1", "b2"], "the engine goes on alone"
    keys.balancer.start_lbd()
    wait_until("every backend serves", lambda: api.all_serve(keys.balancer), timeout_s=20)
    assert {source: answers(keys, BOUND[4], (8000,), source) for source in before} == before
    moved = keys.balancer.metric("fairlead_service_maglev_moved_entries_total")
    assert moved == 0 and api.get(keys.balancer, "/api/v1/status")["generation"] >= generation


def test_a_reload_moves_the_ends_and_refuses_overlaps(keys):
    balancer = keys.balancer
    try:
        narrower = [(name, vips, "8000-8099" if name == "range" else ports, *rest)
                    for name, vips, ports, *rest in SERVICES]
        balancer.configure(config(keys, narrower))
        said = balancer.lbctl("reload", "--wait")
        assert "changed vip of service range4" in said.out + said.err, said.out + said.err
        assert refusal(keys, RANGED[4], 8100) == "refused"
        assert answers(keys, RANGED[4], (8000, 8050)) == ["b1", "b2"]

        balancer.configure(config(keys, [*narrower, ("more", RANGED, "8090-8200", "tcp", "l2", ("b3",), "")]))
        done = balancer.lbctl("reload", check=False)
        assert done.code == 1 and 'service "more4"' in done.err and 'service "range4"' in done.err, done.err
        assert answers(keys, RANGED[4], (8000, 8050)) == ["b1", "b2"], "nothing has changed"

        renamed = [("again", *rest) if name == "range" else (name, *rest) for name, *rest in SERVICES]
        balancer.configure(config(keys, renamed))
        balancer.lbctl("reload", "--wait", "--force")
        assert answers(keys, RANGED[4], (8000, 8050, 8100)) == ["b1", "b2", "b1"]
    finally:
        balancer.configure(config(keys))
        balancer.lbctl("reload", "--wait", "--force")
        wait_until("every backend serves", lambda: api.all_serve(balancer), timeout_s=20)
    assert answers(keys, RANGED[6], (8000, 8100)) == ["b1", "b1"]
