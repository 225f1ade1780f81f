"""Routes, rules and neighbors are followed, whatever the order of what happens."""

import json
import os
import signal
import time

import pytest
from support.host import wait_until

FAR = "10.73.0.11"
NOBODY = "02:00:00:de:ad:01"


def own_mac(host):
    return host.link("eth0")["address"]


def edge(net):
    return net.router.link("edge")["address"]


def test_a_rule_alone_moves_the_way(net):
    net.start([("b1", FAR)])
    net.wait_mac("s4/b1", edge(net))
    other = net.lab.backends[1]
    net.balancer.ip("route add default via 10.2.0.12 table 77", "rule add to 10.73.0.0/24 lookup 77")
    net.wait_mac("s4/b1", own_mac(other))
    net.balancer.ip("rule del to 10.73.0.0/24 lookup 77")
    net.wait_mac("s4/b1", edge(net))


def test_a_renamed_interface_is_kept_and_one_that_has_gone_is_looked_for_by_name(net):
    backend, balancer = net.lab.backends[0], net.balancer
    net.start([("b1", "10.2.0.11")])
    net.wait_mac("s4/b1", own_mac(backend))
    near, far = own_mac(balancer), net.router.link("balancer")["address"]
    balancer.ip("link set eth0 down", "link set eth0 name uplink", "link set uplink up",
                "route replace default via 10.2.0.1")
    backend.ip("link set eth0 down", "link set eth0 address 02:00:00:aa:bb:01", "link set eth0 up")
    balancer.run("ip", "neigh", "flush", "dev", "uplink")
    net.wait_mac("s4/b1", "02:00:00:aa:bb:01", timeout_s=20)
    assert any("is called uplink now" in problem for problem in net.problems())
    log = (balancer.directory / "lbd.log").read_text()
    assert log.count("event=interface-renamed") == 1 and "from=eth0 to=uplink" in log

    balancer.ip("link del uplink")
    wait_until("it is missed", lambda: any("there is no interface eth0" in each for each in net.problems()))
    net.router.ip(f"link add balancer address {far} type veth peer name eth0 address {near} "
                  f"netns {balancer.namespace}", "link set balancer master edge up")
    balancer.ip("link set eth0 up", "addr add 10.2.0.2/24 dev eth0", "route add default via 10.2.0.1")
    net.wait_mac("s4/b1", "02:00:00:aa:bb:01", timeout_s=20)
    assert not any("eth0" in problem for problem in net.problems())


def flap_carrier(net, backend):
    net.router.ip("link set balancer down")
    wait_until("the entries are gone", lambda: not net.entry("10.2.0.11").get("lladdr"))
    net.router.ip("link set balancer up")


def flap_interface(net, backend):
    net.balancer.ip("link set eth0 down", "link set eth0 up")


def flap_backend(net, backend):
    backend.ip("link set eth0 down")
    net.balancer.run("ip", "neigh", "flush", "dev", "eth0")
    wait_until("it does not answer", lambda: "FAILED" in net.entry("10.2.0.11").get("state", []), timeout_s=20)
    backend.ip("link set eth0 up")


def flap_route(net, backend):
    net.balancer.ip("route add 10.2.0.11/32 via 10.2.0.12")
    net.wait_mac("s4/b1", own_mac(net.lab.backends[1]))
    net.balancer.ip("route del 10.2.0.11/32 via 10.2.0.12")


@pytest.mark.parametrize("flaps", [
    [flap_carrier], [flap_backend], [flap_backend, flap_carrier], [flap_carrier, flap_route, flap_backend],
    [flap_route, flap_interface, flap_carrier, flap_carrier]],
    ids=lambda flaps: "-".join(flap.__name__[5:] for flap in flaps))
def test_a_neighbor_is_asked_for_until_it_answers(net, flaps):
    backend = net.lab.backends[0]
    net.start([("b1", "10.2.0.11")])
    net.wait_mac("s4/b1", own_mac(backend))
    for flap in flaps:
        flap(net, backend)
    # Another MAC address, so that what was known before is no answer. The kernel would believe that for a while yet.
    backend.ip("link set eth0 down", "link set eth0 address 02:00:00:aa:bb:01", "link set eth0 up")
    net.balancer.run("ip", "neigh", "flush", "dev", "eth0")
    net.wait_mac("s4/b1", "02:00:00:aa:bb:01", timeout_s=20)
    assert not net.backend("s4/b1")["link_problem"]
    wait_until("the kernel keeps it", lambda: net.is_managed("10.2.0.11"))


@pytest.mark.parametrize("address", ["10.2.0.11", "fd00:2::11"])
def test_a_wrong_entry_that_nobody_confirmed_is_asked_and_replaced(net, address):
    name = "s6/b1" if ":" in address else "s4/b1"
    net.start([("b1", address)], forwarding="l2")
    right = own_mac(net.lab.backends[0])
    net.wait_mac(name, right)
    net.balancer.run("ip", "neigh", "replace", address, "dev", "eth0", "lladdr", NOBODY, "nud", "stale")
    begin = time.monotonic()
    wait_until("the right one is back", lambda: net.entry(address).get("lladdr") == right, timeout_s=20)
    net.wait_mac(name, right)
    print(f"asked and replaced within {time.monotonic() - begin:.1f} s")
    assert net.backend(name)["link"]["confirmed_seconds_ago"] < 10
    assert net.balancer.metric("fairlead_backend_link_confirmed_age_seconds", backend="b1") < 10
    assert "confirmed" in net.balancer.lbctl("backend", "show", name).out


def test_two_minutes_without_an_answer_take_a_backend_out(net):
    gone = net.lab.backends[0]
    net.start([("b1", "10.2.0.11"), ("b2", "10.2.0.12")], forwarding="l2")
    wait_until("both are known", lambda: net.mac("s4/b1") and net.mac("s4/b2"))
    assert net.backend("s4/b1")["effective"] == "serving"
    gone.ip("link set eth0 down")
    net.balancer.run("ip", "neigh", "flush", "dev", "eth0")
    begin = time.monotonic()
    time.sleep(60)
    assert net.backend("s4/b1")["link"] and net.backend("s4/b1")["effective"] == "serving", "half of the time is over"
    wait_until("it is out", lambda: net.backend("s4/b1")["effective"] == "out", timeout_s=90)
    print(f"out after {time.monotonic() - begin:.0f} s: {net.backend('s4/b1')['why']}")
    assert net.backend("s4/b1")["link"] is None
    assert net.backend("s4/b2")["effective"] == "serving"
    net.balancer.lbd.kill()
    net.balancer.lbd.wait()
    net.balancer.start_lbd()
    assert net.backend("s4/b1")["effective"] == "out", "the next lbd waits for it anew"
    gone.ip("link set eth0 up")
    net.wait_mac("s4/b1", own_mac(gone))
    assert net.backend("s4/b1")["effective"] == "serving"


def test_what_nobody_needs_is_not_left_managed(net):
    net.start([("b1", "10.2.0.11"), ("b2", "10.2.0.12")])
    wait_until("both are kept", lambda: net.is_managed("10.2.0.11") and net.is_managed("10.2.0.12"))
    net.balancer.lbctl("backend", "remove", "s4/b2")
    # No engine runs, so the removed one waits for an engine to count its flows; a new file and a restart do not.
    net.balancer.lbd.kill()
    net.balancer.lbd.wait()
    for path in net.balancer.run_dir.iterdir():
        if path.is_file():
            path.unlink()
    net.configure([("b1", "10.2.0.11")])
    net.balancer.start_lbd()
    wait_until("it is left to the kernel", lambda: not net.is_managed("10.2.0.12"))
    assert net.is_managed("10.2.0.11")


def test_a_removed_backends_neighbor_is_let_go(net):
    net.start([("b1", "10.2.0.11"), ("b2", "10.2.0.12")])
    wait_until("both are kept", lambda: net.is_managed("10.2.0.11") and net.is_managed("10.2.0.12"))
    net.balancer.ip("route add 10.2.0.12/32 via 10.2.0.1")
    wait_until("another hop stands for it", lambda: not net.is_managed("10.2.0.12") and net.is_managed("10.2.0.1"))
    net.balancer.ip("route del 10.2.0.12/32")
    wait_until("and back", lambda: net.is_managed("10.2.0.12") and not net.is_managed("10.2.0.1"))


def test_events_that_were_lost_are_made_up_for(net):
    net.start([("b1", "10.2.0.11"), ("b2", "10.2.0.12")])
    wait_until("both are known", lambda: net.mac("s4/b1") and net.mac("s4/b2"))
    net.balancer.lbd.signal(signal.SIGSTOP)
    many = [f"198.18.{i // 250}.{i % 250}/32" for i in range(12000)]
    net.balancer.ip(*[f"route {verb} {one} dev eth0" for verb in ("add", "del") for one in many])
    net.balancer.ip("route add 10.2.0.11/32 via 10.2.0.12", "addr del 10.2.0.2/24 dev eth0",
                    "addr add 10.2.0.3/24 dev eth0", "route add 10.2.0.11/32 via 10.2.0.12")
    net.balancer.lbd.signal(signal.SIGCONT)
    net.wait_mac("s4/b1", own_mac(net.lab.backends[1]))
    assert net.balancer.metric("fairlead_kernel_rereads_total") > 0, "nothing was lost: more events are needed here"
    wait_until("the source is the new address", lambda: net.source(4) == "10.2.0.3")


def cpu_seconds(pid):
    fields = open(f"/proc/{pid}/stat", encoding="ascii").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_unrelated_routes_cost_their_own_share(net):
    net.start([("b1", "10.2.0.11"), ("b2", "10.2.0.12")])
    wait_until("both are known", lambda: net.mac("s4/b1") and net.mac("s4/b2"))
    generation = net.balancer.lbctl("-o", "json", "status", check=False).json()["generation"]
    before, cpu, begin = net.queries("route"), cpu_seconds(net.balancer.lbd.pid), time.monotonic()
    changes = 0
    for second in range(3):
        batch = [f"198.18.{i // 250}.{i % 250}/32" for i in range(500)]
        net.balancer.ip(*[f"route {verb} {one} dev eth0" for verb in ("add", "del") for one in batch])
        changes += 2 * len(batch)
        time.sleep(max(0.0, begin + second + 1 - time.monotonic()))
    spent, seconds = cpu_seconds(net.balancer.lbd.pid) - cpu, time.monotonic() - begin
    asked = net.queries("route") - before
    print(f"{changes} route changes in {seconds:.1f} s: {asked:.0f} routes asked for, {spent * 1000:.0f} ms of CPU")
    assert asked == 0
    assert spent < 0.3
    assert net.balancer.lbctl("-o", "json", "status", check=False).json()["generation"] == generation
    net.balancer.ip("route add 10.2.0.11/32 via 10.2.0.1")
    net.wait_mac("s4/b1", edge(net))
    print(json.dumps({"asked for the one that changed": net.queries("route") - before}))
    assert 1 <= net.queries("route") - before <= 4
