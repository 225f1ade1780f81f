"""4,096 services and 16,384 backends, as many as the README says there can be, are balanced."""

import random
import time

import pytest
from support import api
from support.host import wait_until
from support.lab import http_url
from support.lending import head

SERVICES = 4096
NETWORK = "198.18.0.0/20"  # a VIP a service


def vip_of(number):
    return f"198.18.{number // 256}.{number % 256}"


@pytest.fixture
def lab(make_lab):
    """Four servers, each a backend of every service."""
    lab = make_lab(backends=4, file_bytes=1)
    lab.router.ip(f"route add {NETWORK} via 10.2.0.2")
    for backend in lab.backends:
        backend.ip(f"route add local {NETWORK} dev lo")
    lab.balancer.configure(config(lab))
    lab.balancer.start_lbd()
    lab.balancer.start_lbdp()
    wait_until("every backend serves", lambda: serving(lab) == 4 * SERVICES, timeout_s=90, interval_s=0.5)
    return lab


def config(lab, without=()):
    text = [head(lab, interval="5s", timeout="2s")]
    for number in range(SERVICES):
        text.append(f'[[service]]\nname = "s{number}"\nvip = "{vip_of(number)}:80"\n'
                    'protocol = "tcp"\nforwarding = "l2"\n')
        text += [f'[[service.backend]]\nname = "{backend.name}"\naddress = "{backend.addresses[4]}"\n'
                 for backend in lab.backends if backend.name not in without]
    return "".join(text)


def serving(lab):
    return api.get(lab.balancer, "/api/v1/status")["backends"]["serving"]


def answers(lab, count=200):
    """Who answers a new connection, for as many services."""
    urls = [http_url(vip_of(number), "/") for number in random.sample(range(SERVICES), count)]
    return [lab.client.get(url) for url in urls]


def wait_for_last_step(lab, weight):
    """Until all that is known is in force: a change that waits for it. The seconds that it took."""
    began = time.monotonic()
    lab.balancer.lbctl("backend", "weight", "s0/b1", weight, "--wait", "--timeout", "60s", timeout_s=70)
    return time.monotonic() - began


def test_a_server_that_dies_leaves_all_of_its_services(lab):
    print(f"in force {wait_for_last_step(lab, 2):.1f} s after the last of the first checks")
    assert set(answers(lab)) == {"b1", "b2", "b3", "b4"}
    lab.backend("b2").kill_nginx()
    wait_until("its checks say so", lambda: serving(lab) == 3 * SERVICES, timeout_s=40, interval_s=0.2)
    print(f"in force {wait_for_last_step(lab, 1):.1f} s after the last check of the server that died")
    assert set(answers(lab)) == {"b1", "b3", "b4"}
    assert api.get(lab.balancer, "/api/v1/status")["problems"] == []
    began = time.monotonic()
    assert lab.balancer.lbd.stop() == 0
    lab.balancer.start_lbd()
    assert serving(lab) == 3 * SERVICES
    print(f"a restarted lbd answers {time.monotonic() - began:.1f} s after SIGTERM")
    wait_for_last_step(lab, 2)
    assert set(answers(lab)) == {"b1", "b3", "b4"}
