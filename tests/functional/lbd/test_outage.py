"""When everything fails at once: nothing is taken out for the hold; and a service with too few healthy backends.

The servers are in a namespace of their own, so that the balancer's uplink to them can be cut.
"""

import sys
import time

import pytest
from one_lbd import HEAD, PORT, service_lines
from support.balancer import start_and_wait
from support.host import Host, wait_until

HOLD_S = 4
SERVERS = [f"10.9.0.{11 + number}" for number in range(5)]
NAMES = [f"app-{1 + number}" for number in range(5)]
# Down after 3 failed checks, 200 ms apart, of up to 150 ms.
HEALTH = '  type = "tcp"\n  interval = "200ms"\n  timeout = "150ms"\n  rise = 2\n  fall = 3'
USUAL_S = 2.0  # in which a dead server is out, with room for a busy machine

SERVER = """
import os, selectors, socket, sys
selector = selectors.DefaultSelector()
for address in sys.argv[2:]:
    listener = socket.create_server((address, int(sys.argv[1])), backlog=64)
    selector.register(listener, selectors.EVENT_READ)
ready = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
ready.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
while True:
    for key, _ in selector.select():
        key.fileobj.accept()[0].close()
"""


class Rack:
    """Servers behind one link; each of its programs serves some of their addresses."""

    def __init__(self, daemon):
        self.balancer = daemon.host
        namespace = daemon.host.namespace.removesuffix("-lb") + "-rack"
        self.host = Host(namespace, "rack", daemon.host.directory.parent / "rack")
        self.balancer.ip("addr flush dev lo scope global", f"link add eth0 type veth peer name eth0 netns {namespace}",
                         "addr add 10.9.0.1/24 dev eth0", "link set eth0 up")
        self.host.ip(*[f"addr add {address}/24 dev eth0" for address in SERVERS], "link set eth0 up")

    def serve(self, *addresses):
        return start_and_wait(self.host, f"server-{addresses[0]}", [sys.executable, "-c", SERVER, PORT, *addresses])


@pytest.fixture
def rack(daemon):
    return Rack(daemon)


def configure(daemon, extra="", hold=f"{HOLD_S}s", servers=range(5), port=""):
    head = HEAD.format(directory=daemon.host.directory, cpu="0").replace(
        "[engine]", f'mass_failure_hold = "{hold}"\n[engine]').replace("[api]", port + "[api]")
    service = service_lines("portal", [(NAMES[n], SERVERS[n], 10) for n in servers], health=HEALTH)
    daemon.configure(service.replace("[[service]]\n", "[[service]]\n" + extra), head=head)


def states(daemon):
    """{"app-1": "serving", ...}"""
    return {b["name"]: b["effective"] for b in daemon.get("/api/v1/services/portal")["backends"]}


def all_are(daemon, effective):
    return set(states(daemon).values()) == {effective}


def start(daemon):
    daemon.start()
    wait_until("all serve", lambda: all_are(daemon, "serving"))


def transitions(daemon):
    return daemon.host.metric("fairlead_backend_transitions_total", service="portal")


def events(daemon, event):
    return [line for line in daemon.log().splitlines() if f"event={event} " in line]


def cut_uplink(rack):
    rack.balancer.ip("link set eth0 down")
    return lambda: rack.balancer.ip("link set eth0 up")


def drop_answers(rack):
    """As a firewall would that drops the checks: they arrive, and nothing comes back."""
    rack.host.ip("route add blackhole 10.9.0.1/32")
    return lambda: rack.host.ip("route del blackhole 10.9.0.1/32")


@pytest.mark.parametrize("cut", [cut_uplink, drop_answers])
def test_a_fault_of_the_balancers_own_takes_nothing_out(daemon, rack, cut):
    configure(daemon)
    rack.serve(*SERVERS)
    start(daemon)
    before = transitions(daemon)
    generation = daemon.status()["generation"]
    mend = cut(rack)
    wait_until("all fail", lambda: all(b["health"] == "down"
                                       for b in daemon.get("/api/v1/services/portal")["backends"]), HOLD_S)
    shown = daemon.get("/api/v1/services/portal")
    assert all(b["effective"] == "serving" and b["why"].startswith("held: most backends failed at once (")
               for b in shown["backends"]), shown
    assert [p for p in daemon.status()["problems"] if "have failed their checks at once" in p]
    assert daemon.host.lbctl("status", "--check", check=False).code in (1, 2)
    assert daemon.host.metric("fairlead_mass_failure_hold") == 1
    mend()
    wait_until("all are up", lambda: all(b["health"] == "up"
                                         for b in daemon.get("/api/v1/services/portal")["backends"]))
    wait_until("the hold is over", lambda: events(daemon, "mass-failure-hold-over"), HOLD_S + 5)
    assert all_are(daemon, "serving") and transitions(daemon) == before
    assert daemon.status()["generation"] == generation, "the ring has not changed"
    assert daemon.host.metric("fairlead_mass_failure_hold") == 0
    assert daemon.host.metric("fairlead_mass_failure_holds_total") == 1
    assert len(events(daemon, "mass-failure-hold")) == 1


def test_a_rack_that_dies_is_out_at_the_usual_time(daemon, rack):
    configure(daemon)
    dies = rack.serve(*SERVERS[:2])
    rack.serve(*SERVERS[2:])
    start(daemon)
    dies.kill()
    wait_until("the rack is out", lambda: list(states(daemon).values()) == ["out"] * 2 + ["serving"] * 3, USUAL_S)
    assert not events(daemon, "mass-failure-hold")


def test_when_all_servers_die_they_are_out_after_one_hold(daemon, rack):
    configure(daemon)
    server = rack.serve(*SERVERS)
    start(daemon)
    server.kill()
    killed = time.monotonic()
    wait_until("the hold begins", lambda: events(daemon, "mass-failure-hold"), USUAL_S)
    wait_until("all are out", lambda: all_are(daemon, "out"), HOLD_S + 5)
    held_s = time.monotonic() - killed
    assert HOLD_S <= held_s, held_s
    assert daemon.status()["services"]["up"] == 0
    server = rack.serve(*SERVERS[:2])
    wait_until("two are back", lambda: list(states(daemon).values()) == ["serving"] * 2 + ["out"] * 3)
    server.kill()
    wait_until("they are out", lambda: all_are(daemon, "out"), USUAL_S)
    assert len(events(daemon, "mass-failure-hold")) == 1, "once, as most have never recovered"


def test_without_a_hold_all_that_die_are_out_at_the_usual_time(daemon, rack):
    configure(daemon, hold="0s")
    server = rack.serve(*SERVERS)
    start(daemon)
    server.kill()
    wait_until("all are out", lambda: all_are(daemon, "out"), USUAL_S)


def test_when_all_servers_die_a_service_that_fails_open_goes_on_after_the_hold(daemon, rack):
    configure(daemon, 'min_healthy = "60%"\non_min_healthy = "fail-open"\n')
    server = rack.serve(*SERVERS)
    start(daemon)
    before = transitions(daemon)
    daemon.patch("portal/app-5", admin="drain")
    server.kill()
    wait_until("fail-open", lambda: daemon.host.metric("fairlead_service_fail_open", service="portal") == 1,
               HOLD_S + 5)
    assert events(daemon, "mass-failure-hold-over"), "not while it holds"
    assert list(states(daemon).values()) == ["serving"] * 4 + ["draining"]
    assert transitions(daemon) == before + 1, "only the one that was drained has changed"
    assert "fail-open" in daemon.backend("portal/app-1")["why"]


def test_a_service_below_min_healthy_fails_open_and_closes_when_enough_have_recovered(daemon, rack):
    configure(daemon, 'min_healthy = 2\non_min_healthy = "fail-open"\n', servers=range(3))
    rack.serve(SERVERS[0])
    dies = rack.serve(*SERVERS[1:3])
    start(daemon)
    dies.kill()
    wait_until("fail-open", lambda: daemon.host.metric("fairlead_service_fail_open", service="portal") == 1)
    wait_until("two are down", lambda: [b["health"] for b in daemon.get("/api/v1/services/portal")["backends"]] ==
               ["up", "down", "down"])
    assert all_are(daemon, "serving")
    shown = daemon.get("/api/v1/services/portal")["min_healthy"]
    assert shown == {"configured": "2", "on_min_healthy": "fail-open", "ready": 3, "healthy": 1, "least": 2,
                     "below": True, "fallback": None}
    assert any("portal" in p and "fail-open" in p for p in daemon.status()["problems"])
    assert "fail-open, now" in daemon.host.lbctl("service", "show", "portal").out
    daemon.kill()
    daemon.start()
    assert all_are(daemon, "serving"), "a restart goes on so"
    rack.serve(SERVERS[1])
    wait_until("it is over", lambda: events(daemon, "min-healthy-again"), 20)
    wait_until("it closes", lambda: list(states(daemon).values()) == ["serving", "serving", "out"])
    assert daemon.host.metric("fairlead_service_fail_open", service="portal") == 0
    assert len(events(daemon, "min-healthy-missed")) == 2, "once, and once by the one that was started anew"


def test_below_min_healthy_fail_close_is_only_said(daemon, rack):
    configure(daemon, "min_healthy = 2\n", servers=range(2))
    rack.serve(SERVERS[0])
    dies = rack.serve(SERVERS[1])
    start(daemon)
    dies.kill()
    wait_until("one is out", lambda: list(states(daemon).values()) == ["serving", "out"])
    assert any("portal" in p and "fail-close" in p for p in daemon.status()["problems"])
    assert daemon.host.metric("fairlead_service_fail_open", service="portal") == 0
    assert daemon.host.metric("fairlead_service_below_min_healthy", service="portal") == 1


def test_a_fallback_serves_below_min_healthy_and_stands_by_otherwise(daemon, rack):
    configure(daemon, 'forwarding = "ipip"\nmin_healthy = "60%"\non_min_healthy = "fallback"\n'
              'fallback = "10.99.0.1:8080"\n', servers=range(3),
              port='gateway = "10.9.0.254"\ngateway_mac = "02:00:00:00:00:fe"\n')
    rack.serve(SERVERS[0])
    dies = rack.serve(*SERVERS[1:3])
    daemon.start()
    ready = {"app-1": "serving", "app-2": "serving", "app-3": "serving", "fallback": "out"}
    wait_until("all serve", lambda: states(daemon) == ready)
    before = daemon.get("/api/v1/services/portal")
    assert (before["backends_total"], before["backends_serving"]) == (3, 3)
    assert daemon.status()["backends"]["out"] == 0
    dies.kill()
    wait_until("the fallback serves", lambda: states(daemon) == {
        "app-1": "serving", "app-2": "out", "app-3": "out", "fallback": "serving"})
    wait_until("both are out", lambda: daemon.backend("portal/fallback")["effective_weight"] == 20)
    shown = daemon.get("/api/v1/services/portal")
    assert (shown["backends_total"], shown["backends_serving"], shown["up"]) == (3, 1, True)
    assert shown["fingerprint"] != before["fingerprint"], "it is in the ring"
    assert any("the fallback 10.99.0.1" in p for p in daemon.status()["problems"])
    assert daemon.host.lbctl("backend", "drain", "portal/fallback", check=False).code == 5
    assert "fallback" not in [c["backend"] for c in daemon.get("/api/v1/health")["checks"] if c["result"]]
    daemon.kill()
    daemon.start()
    assert daemon.backend("portal/fallback")["effective"] == "serving", "a restart goes on so"
    assert daemon.get("/api/v1/services/portal")["fingerprint"] == shown["fingerprint"]
    rack.serve(*SERVERS[1:3])
    wait_until("it stands by", lambda: states(daemon) == ready, 20)
    assert daemon.get("/api/v1/services/portal")["fingerprint"] == before["fingerprint"]


def test_a_change_that_would_leave_fewer_than_min_healthy_is_refused(daemon, rack):
    configure(daemon, "min_healthy = 4\n")
    rack.serve(*SERVERS)
    start(daemon)
    daemon.host.lbctl("backend", "drain", "portal/app-1")
    refused = daemon.host.lbctl("backend", "drain", "portal/app-2", check=False)
    assert refused.code == 5 and "min_healthy = 4" in refused.err, refused.err
    daemon.host.lbctl("backend", "drain", "portal/app-2", "--force")
    assert daemon.backend("portal/app-2")["admin"] == "drain"
