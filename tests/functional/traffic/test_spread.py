"""Closing connections by wrk, spread as the weights say."""

import pytest
from support.lending import HTTP_SERVICES

WEIGHTS = {"b1": 2, "b2": 3, "b3": 5}
LENDING = {"weights": WEIGHTS}
# Connections fall on backends as by dice: for 10,000 of them the smallest share of 1/5 has a standard deviation
# of 2 %, so that 5 % would fail by chance once in 80 runs. With 25,000 it is 4 deviations.
CONNECTIONS = 25_000
CONCURRENT = 16
TOLERANCE = 0.05


def counts(platform, service):
    answered = {backend.name: backend.requests(vip=service[1]) for backend in platform.backends}
    metrics = platform.balancer.metrics()
    new_flows = {}
    for (name, labels), value in metrics.items():
        if name == "fairlead_backend_new_flows_total" and dict(labels)["service"] == service[0]:
            new_flows[dict(labels)["backend"]] = int(value)
    return answered, new_flows


def untracked(platform):
    return sum(value for (name, _), value in platform.balancer.metrics().items()
               if name == "fairlead_flow_insert_failures_total")


@pytest.mark.parametrize("service", HTTP_SERVICES, ids=[service[0] for service in HTTP_SERVICES])
def test_connections_are_spread_by_weight(platform, service):
    vip = service[1]
    url = f"http://[{vip}]/" if ":" in vip else f"http://{vip}/"
    answered_before, flows_before = counts(platform, service)
    untracked_before = untracked(platform)
    connections, rounds = 0, 0
    while connections < CONNECTIONS and rounds < 20:
        result = platform.client.wrk(url, seconds=3, connections=CONCURRENT)
        assert result.failed == 0, result.text
        connections += result.requests
        rounds += 1
    assert connections >= CONNECTIONS, "the machine is too slow to say anything"

    answered_after, flows_after = counts(platform, service)
    answered = {name: answered_after[name] - answered_before[name] for name in WEIGHTS}
    total = sum(answered.values())
    for name, weight in WEIGHTS.items():
        expected = total * weight / sum(WEIGHTS.values())
        assert abs(answered[name] - expected) <= TOLERANCE * expected, (answered, name, expected)
        # What the engine counted is what nginx saw, but for connections that wrk left when its time was up.
        flows = flows_after[name] - flows_before[name]
        assert abs(flows - answered[name]) <= CONCURRENT * rounds, (name, flows, answered[name])
    assert abs(total - connections) <= CONCURRENT * rounds
    # A closed connection keeps its entry for half a minute: the table must hold those of all services, or the
    # engine forwards by the ring and counts no new flow.
    assert untracked(platform) == untracked_before
