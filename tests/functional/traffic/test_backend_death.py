"""A backend dies under load: what fails until the checks have seen it, and nothing after."""

import time

from outcome import count_by_backend, wait_for_answers
from support import api
from support.host import wait_until


def test_a_killed_backend_costs_requests_only_until_the_checks_have_seen_it(platform, loads):
    running = loads(connections=4, pause_ms=10)
    victim = platform.backends[1]
    for load in running.values():
        wait_for_answers(load, lambda counts: len(counts) == 3, "every backend answers")
    killed = time.monotonic()
    victim.kill_nginx()

    def out_everywhere():
        found = [b for b in api.backends(platform.balancer).values()
                 if b["name"] == victim.name and b["service"] in running]
        return len(found) == len(running) and all(b["effective"] == "out" for b in found)

    wait_until("the checks have seen it", out_everywhere, timeout_s=10)
    generation = api.get(platform.balancer, "/api/v1/status")["generation"]
    wait_until("the workers follow", lambda: all(
        worker["acknowledged"] >= generation
        for worker in api.get(platform.balancer, "/api/v1/status")["engine"]["workers"]))
    seen = time.monotonic()
    # fall = 2 at an interval of 300 ms and a timeout of 250 ms, on a busy machine.
    assert seen - killed < 3
    for load in running.values():
        load.wait_for_more(100, timeout_s=20)

    victim.start_nginx()
    wait_until("it serves again", lambda: api.all_serve(platform.balancer), timeout_s=10)
    back = time.monotonic()
    for load in running.values():
        wait_for_answers(load, lambda counts: counts.get(victim.name, 0) >= 5, "it answers again")

    for name, load in running.items():
        results = load.stop()
        failures = [r for r in results if r["error"]]
        # Refused by the dead server's kernel, or reset with it: at once, and nothing else.
        assert all("Refused" in r["error"] or "Reset" in r["error"] or "not a 200: b''" in r["error"]
                   for r in failures), f"{name}: {failures[:5]}"
        assert failures, f"{name}: the load did not notice that a server died"
        assert all(killed - 1 < r["at"] <= seen for r in failures), \
            f"{name}: killed at {killed:.3f}, seen at {seen:.3f}, back at {back:.3f}: {failures[-5:]}"
        during = count_by_backend([r for r in results if seen < r["at"] < back - 1])
        assert victim.name not in during


def test_a_service_whose_last_backend_dies_is_down_and_comes_back(platform):
    for backend in platform.backends:
        backend.set_healthy(False)
    # All at once is a mass failure: the checks take them out after the hold of 10 s.
    wait_until("every HTTP service is down", lambda: all(
        not service["up"] for service in api.get(platform.balancer, "/api/v1/services")["services"]), timeout_s=25)
    check = platform.balancer.lbctl("status", "--check", check=False)
    assert check.code == 2 and check.out.startswith("CRITICAL: 0 of 5 services up")
    refused = platform.client.run("curl", "-sS", "--max-time", "1", "http://203.0.113.10/", check=False)
    assert refused.returncode != 0  # fail-close: nobody answers
    for backend in platform.backends:
        backend.set_healthy(True)
    wait_until("every backend serves", lambda: api.all_serve(platform.balancer))
    assert platform.client.get("http://203.0.113.10/") in {backend.name for backend in platform.backends}
