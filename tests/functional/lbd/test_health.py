"""Checks against real servers: in, out and back, without a flap at a restart."""

import pytest
from one_lbd import BACKENDS, PORT, service_lines
from support.host import wait_until

TCP = '  type = "tcp"\n  interval = "100ms"\n  timeout = "80ms"\n  rise = 2\n  fall = 3'
HTTP = TCP.replace("tcp", "http") + '\n  path = "/healthz"\n  expect_status = ["200-299"]'
ALL = [("app-1", BACKENDS[0], 10), ("app-2", BACKENDS[1], 10)]


def effective(daemon, name):
    return daemon.backend(f"portal/{name}")["effective"]


def test_a_server_that_dies_goes_out_and_comes_back(daemon):
    daemon.configure(service_lines("portal", ALL, health=TCP))
    first, _ = daemon.serve(BACKENDS[0]), daemon.serve(BACKENDS[1])
    daemon.start()
    daemon.wait_health("portal/app-1", "up")
    daemon.wait_health("portal/app-2", "up")
    generation = daemon.status()["generation"]
    assert (effective(daemon, "app-1"), effective(daemon, "app-2")) == ("serving", "serving")
    first.kill()
    daemon.wait_health("portal/app-1", "down")
    out = daemon.backend("portal/app-1")
    assert (out["effective"], out["effective_weight"]) == ("out", 0)
    assert "refused" in out["why"]
    assert daemon.status()["generation"] > generation
    check = next(c for c in daemon.get("/api/v1/health")["checks"] if c["backend"] == "app-1")
    assert (check["state"], check["type"], check["address"]) == ("down", "tcp", BACKENDS[0])
    assert "refused" in check["result"] and check["failed"] >= 3 and check["passed"] >= 2
    assert daemon.host.metric("fairlead_backend_up", backend="app-1") == 0
    assert daemon.host.metric("fairlead_health_checks_total", backend="app-1", result="refused") >= 3
    assert daemon.host.metric("fairlead_service_up", service="portal") == 1
    daemon.serve(BACKENDS[0])
    daemon.wait_health("portal/app-1", "up")
    assert effective(daemon, "app-1") == "serving"


def test_http_checks_look_at_the_status(daemon):
    daemon.configure(service_lines("portal", ALL, health=HTTP))
    daemon.serve(BACKENDS[0], status=204)
    daemon.serve(BACKENDS[1], status=503)
    daemon.start()
    daemon.wait_health("portal/app-1", "up")
    daemon.wait_health("portal/app-2", "down")
    assert "503" in daemon.backend("portal/app-2")["why"]


@pytest.mark.parametrize("answer", [
    r"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    r"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 204\r\n\r\n",
    r"HTTP/1.0 200 OK\nServer: small\n\n",
    r"HTTP/1.1 200 OK\r\nSet-Cookie: " + "x" * 20_000 + r"\r\n\r\n"],
    ids=["hints", "continue", "line-feeds", "20-kib"])
def test_http_checks_read_an_answer_as_clients_do(daemon, answer):
    daemon.configure(service_lines("portal", ALL[:1], health=HTTP))
    daemon.serve_raw(BACKENDS[0], answer)
    daemon.start()
    assert daemon.host.run("curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}",
                           f"http://{BACKENDS[0]}:{PORT}/").stdout in ("200", "204")
    daemon.wait_health("portal/app-1", "up")


@pytest.mark.parametrize("health, banner", [(TCP, r"220 ready\r\n"), (HTTP, r"HTTP/1.1 200\r\n\r\n" + "x" * 9000)],
                         ids=["tcp", "http"])
def test_a_check_that_passes_resets_nothing(daemon, health, banner):
    daemon.configure(service_lines("portal", ALL[:1], health=health))
    server = daemon.serve_raw(BACKENDS[0], banner)
    daemon.start()
    wait_until("many checks", lambda: daemon.host.metric(
        "fairlead_health_checks_total", backend="app-1", result="ok") >= 20)
    assert "reset" not in server.log.read_text()
    kept = daemon.host.run("ss", "-Htan", "state", "time-wait", "dport", f"= :{PORT}").stdout.splitlines()
    print(f"{len(kept)} connections in TIME_WAIT on this side")
    assert bool(kept) == (health == TCP), "of an http check the server keeps it"


def test_a_backend_that_wavers_is_told_once_a_minute_and_each_verdict_at_once(daemon):
    daemon.configure(service_lines("portal", ALL[:1], health=HTTP))
    good, bad = (rf"HTTP/1.1 {status}\r\n\r\n" for status in (200, 503))
    wavers = daemon.serve_raw(BACKENDS[0], good, good, bad)
    daemon.start()

    def checks():
        return daemon.host.metric("fairlead_health_checks_total", backend="app-1")

    def lines():
        return [line for line in daemon.log().splitlines() if "event=health " in line]

    daemon.wait_health("portal/app-1", "up")
    wait_until("many more checks", lambda: checks() >= 40)
    assert len(lines()) <= 2 and "503" in lines()[-1], lines()
    wavers.kill()
    daemon.wait_health("portal/app-1", "down")
    assert len(lines()) <= 3 and "state=down" in lines()[-1] and "untold=" in lines()[-1], lines()


def test_with_all_down_the_service_is_down_and_its_ring_empty(daemon):
    daemon.configure(service_lines("portal", ALL, health=TCP))
    daemon.start()
    daemon.wait_health("portal/app-1", "down")
    daemon.wait_health("portal/app-2", "down")
    service = daemon.get("/api/v1/services/portal")
    assert (service["up"], service["backends_serving"], service["fingerprint"]) == (False, 0, "00000000")


def test_a_restart_takes_health_over_and_never_flaps(daemon):
    daemon.configure(service_lines("portal", ALL, health=TCP))
    daemon.serve(BACKENDS[0])
    daemon.start()
    daemon.wait_health("portal/app-1", "up")
    daemon.wait_health("portal/app-2", "down")
    before = daemon.get("/api/v1/services/portal")["fingerprint"]
    for _ in range(5):
        daemon.kill()
        daemon.start()
        service = daemon.get("/api/v1/services/portal")
        assert [each["health"] for each in service["backends"]] == ["up", "down"]
        assert service["fingerprint"] == before
    log = daemon.log().split("event=taken-over")[-1]
    assert "event=health" not in log, "nothing changed, so nothing is told"


def test_maintenance_is_not_checked_and_drain_is(daemon):
    daemon.configure(service_lines("portal", ALL, health=TCP))
    servers = [daemon.serve(address) for address in BACKENDS[:2]]
    daemon.start()
    daemon.wait_health("portal/app-1", "up")
    daemon.wait_health("portal/app-2", "up")
    daemon.patch("portal/app-1", admin="maint")
    daemon.patch("portal/app-2", admin="drain")
    assert [c["backend"] for c in daemon.get("/api/v1/health")["checks"] if c["result"]] == ["app-2"]
    assert (effective(daemon, "app-1"), effective(daemon, "app-2")) == ("out", "draining")
    for server in servers:
        server.kill()
    daemon.wait_health("portal/app-2", "down")
    assert effective(daemon, "app-2") == "draining", "a failing check proves nothing about its flows"
    daemon.serve(BACKENDS[0])
    daemon.patch("portal/app-1", admin="ready")
    daemon.wait_health("portal/app-1", "up")
    assert effective(daemon, "app-1") == "serving"


def test_a_backend_added_at_run_time_is_checked_at_once(daemon):
    daemon.configure(service_lines("portal", ALL, health=TCP))
    daemon.serve(BACKENDS[2])
    daemon.start()
    added = daemon.add("portal/app-3", BACKENDS[2], weight=5)["backend"]
    assert (added["health"], added["effective"], added["origin"]) == ("unknown", "out", "runtime")
    daemon.wait_health("portal/app-3", "up")
    assert daemon.backend("portal/app-3")["effective_weight"] == 5
    daemon.remove("portal/app-3")
    wait_until("app-3 is gone", lambda: "app-3" not in daemon.names())
    assert "app-3" not in [check["backend"] for check in daemon.get("/api/v1/health")["checks"]]
