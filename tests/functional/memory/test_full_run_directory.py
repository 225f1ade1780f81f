"""A run directory without room: what a start needs is asked for, and what a change needs too. Nobody dies of it."""

import pytest
from run_directory import fill, free_bytes, limit
from support import api
from support.host import wait_until
from support.lending import HTTP_SERVICES, SERVICES, URLS, config, start_lending


@pytest.fixture
def lab(make_lab):
    return make_lab(backends=2, file_bytes=1 << 20)


def ended(process):
    assert process.wait(10) == 1, process.tail()
    return process.log.read_text()


def test_a_start_without_room_is_refused_with_the_size_that_it_needs(lab):
    balancer = lab.balancer
    limit(balancer, "3m")
    balancer.configure(config(lab, hugepages="none"))
    said = ended(balancer.start_lbd(wait=False))
    assert f"{balancer.run_dir} has 3 MB free, and tables needs 6 MB" in said and "remount,size=" in said
    assert not (balancer.run_dir / "tables").exists(), "nothing half made stays"
    said = ended(balancer.start_lbdp(wait=False))
    assert "MB free, and telemetry needs 4 MB" in said, said


def test_flow_tables_without_room_are_refused_by_name(lab):
    balancer = lab.balancer
    limit(balancer, "12m")
    balancer.configure(config(lab, hugepages="none", flows="4M"))
    said = ended(balancer.start_lbdp(wait=False))
    assert "MB free, and flows needs 65 MB" in said and "lower [engine] flows" in said, said


def more_services(lab, count):
    """The configuration with so many services more, each of which needs a ring."""
    text = config(lab, hugepages="none")
    for number in range(count):
        text += f'[[service]]\nname = "more-{number}"\nvip = "203.0.113.10:{1000 + number}"\n'
        text += '  [service.health]\n  type = "none"\n'
        text += "".join(f'  [[service.backend]]\n  name = "{b.name}"\n  address = "{b.addresses[4]}"\n'
                        for b in lab.backends)
    return text


def change_weights(balancer, rounds):
    """Changes the weight of b1 in every service over and over; the refusals' messages, and how many were made."""
    refusals, made = set(), 0
    for number in range(rounds):
        for name, _, _, _, _ in SERVICES:
            status, answer = api.call(balancer, "PATCH", f"/api/v1/services/{name}/backends/b1",
                                      {"weight": 11 + number})
            assert status in (200, 503), answer
            if status == 503:
                refusals.add(answer["error"]["message"])
            made += status == 200
    return refusals, made


def test_one_that_fills_up_costs_changes_at_most(lab):
    balancer = lab.balancer
    limit(balancer, "32m")
    start_lending(lab, hugepages="none")
    wait_until("every backend serves", lambda: api.all_serve(balancer), timeout_s=20)
    loads = [lab.client.start_load(URLS[name], connections=2, pause_ms=20) for name, *_ in HTTP_SERVICES]
    file = fill(balancer)

    # What has memory set aside for it goes on: one backend more or less in any service.
    refusals, made = change_weights(balancer, 10)
    assert made > 0
    assert all("free, and tables needs" in refusal for refusal in refusals), refusals
    unhealthy = lab.backends[1].directory / "unhealthy"
    unhealthy.touch()
    wait_until("a backend that is down is out of the rings", lambda: all(
        b["effective"] == "out" for key, b in api.backends(balancer).items() if key.endswith("/b2")))
    unhealthy.unlink()
    wait_until("and is back", lambda: api.all_serve(balancer))
    assert not [p for p in api.get(balancer, "/api/v1/status")["problems"] if "not in force" in p]

    # What has none is refused whole, and what was in force stays.
    balancer.configure(more_services(lab, 60))
    generation = api.get(balancer, "/api/v1/status")["generation"]
    refused = balancer.lbctl("reload", check=False)
    assert refused.code != 0 and "free, and tables needs" in refused.err, refused.err
    assert api.get(balancer, "/api/v1/services/portal")["name"] == "portal"
    assert api.call(balancer, "GET", "/api/v1/services/more-0")[0] == 404
    assert api.get(balancer, "/api/v1/status")["generation"] >= generation
    assert "free, and tables needs" in balancer.lbctl("status").out
    api.get(balancer, "/api/v1/trace?protocol=tcp&source=10.1.0.2:1&destination=203.0.113.10:80&flags=S")
    assert balancer.metrics_text()
    assert free_bytes(balancer) < 1 << 20

    # Both start again on the full directory, as all that they need is theirs already.
    balancer.lbd.kill()
    balancer.lbd.wait()
    balancer.configure(config(lab, hugepages="none"))
    balancer.start_lbd()
    assert balancer.lbdp.is_running()
    balancer.lbdp.kill()
    balancer.lbdp.wait()
    balancer.start_lbdp()
    for load in loads:
        assert load.process.is_running()
        answered = len(load.results())
        load.wait_for("requests go on", lambda results, seen=answered: len(results) > seen + 20, 30)

    file.unlink()
    balancer.configure(more_services(lab, 60))
    balancer.lbctl("reload", "--wait")
    assert api.get(balancer, "/api/v1/services/more-59")["backends_serving"] == 2
    for load in loads:
        failures = [r for r in load.stop() if r["error"]]
        assert not failures, failures[:5]
    assert balancer.stop_both() == (0, 0)
