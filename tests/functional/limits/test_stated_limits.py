"""4,096 services and 16,384 backends, as many as the README says there can be, are balanced."""

import os
import pathlib
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
    look_at_the_price(lab)


def main_thread_seconds(lab):
    pid = lab.balancer.lbd.pid
    fields = pathlib.Path(f"/proc/{pid}/task/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def fetch_ms(lab, path):
    """From the request to the last byte, the least of three."""
    times = []
    for _ in range(3):
        got = lab.balancer.run("curl", "-sS", "--fail", "-o", "/dev/null", "-w", "%{time_total} %{size_download}",
                               "--unix-socket", lab.balancer.run_dir / "lbd.sock", f"http://x{path}").stdout.split()
        times.append(float(got[0]) * 1000)
    print(f"{path}: {min(times):.0f} ms, {int(got[1]) / 1e6:.1f} MB")
    return min(times)


def look_at_the_price(lab):
    """Memory, answers, and what changes cost that concern nobody here; the bounds are some five times what was seen."""
    status = pathlib.Path(f"/proc/{lab.balancer.lbd.pid}/status").read_text()
    anonymous_mb = int(status.split("RssAnon:")[1].split()[0]) / 1024
    print(f"anonymous memory {anonymous_mb:.0f} MB")
    assert anonymous_mb < 250
    assert fetch_ms(lab, "/metrics") < 500
    assert fetch_ms(lab, "/api/v1/status") < 100
    assert fetch_ms(lab, "/api/v1/backends") < 1500
    assert fetch_ms(lab, "/api/v1/services") < 500
    unrelated = [("a route", "route replace blackhole 192.0.2.{}/32"),
                 ("a route on the port", "route replace 192.0.2.{}/32 dev eth0"),
                 ("a neighbor", "neigh replace 192.0.2.{} lladdr 02:00:00:00:99:01 dev eth0"),
                 ("an address", "addr add 192.0.3.{}/32 dev lo")]
    for what, command in unrelated:
        generation, before = api.get(lab.balancer, "/api/v1/status")["generation"], main_thread_seconds(lab)
        slowest = 0
        for number in range(40):
            lab.balancer.ip(command.format(number))
            asked = time.monotonic()
            api.get(lab.balancer, "/api/v1/version")
            slowest = max(slowest, time.monotonic() - asked)
            time.sleep(max(0, 0.05 - slowest))
        spent = main_thread_seconds(lab) - before
        print(f"40 changes of {what}: {spent:.2f} s of CPU, the slowest answer {1e3 * slowest:.0f} ms")
        assert spent < 1 and slowest < 0.5
        assert api.get(lab.balancer, "/api/v1/status")["generation"] == generation, "nothing is published"
