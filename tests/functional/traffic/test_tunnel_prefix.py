"""tunnel_source_prefix: each flow enters its tunnel from an address of its own, and real backends take it."""

import ipaddress
import os
import signal
import subprocess

import pytest
from support import api
from support.balancer import program, start_lbagent
from support.host import wait_until
from support.lab import Lab, http_url
from support.lending import BACKEND, SERVICE, head

CASES = [("203.0.113.70", 4, "10.77.0.0/16"), ("2001:db8::70", 6, "fd00:77:1:2::/64"),
         ("203.0.113.71", 6, "fd00:77::/96")]
FLOWS = 12


@pytest.fixture(scope="module", params=CASES, ids=lambda case: f"{case[0]}-{case[2]}")
def lab_with_prefix(request, build_dir):
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    vip, outer, prefix = request.param
    with Lab(build=build_dir, backends=1, vips=(vip,), file_bytes=1 << 20) as lab:
        lab.vip, lab.outer, lab.prefix = vip, outer, ipaddress.ip_network(prefix)
        # The balancer's own address would do for no packet of this test.
        agents = ["--interface", "eth0", "--vip", vip, "--balancer", prefix]
        lab.agent = start_lbagent(lab.backends[0], lab.build, *agents)
        text = head(lab, port_keys=f'tunnel_source_prefix = "{prefix}"')
        text += SERVICE.format(name="payments", vip=f"[{vip}]:80" if ":" in vip else f"{vip}:80", protocol="tcp",
                               forwarding="ipip", service_keys="")
        text += BACKEND.format(name="b1", address=lab.backends[0].addresses[outer], weight=10)
        lab.balancer.configure(text)
        lab.balancer.start_both()
        wait_until("the backend serves", lambda: api.all_serve(lab.balancer), timeout_s=60)
        yield lab


def outer_sources(lab, path):
    """{client's port: outer sources of its packets}, as tshark reads the capture."""
    family = "ip" if lab.outer == 4 else "ipv6"
    done = subprocess.run(["tshark", "-r", path, "-T", "fields", "-e", f"{family}.src", "-e", "tcp.srcport"],
                          capture_output=True, text=True, check=True)
    found = {}
    for line in done.stdout.splitlines():
        addresses, port = line.split("\t")
        found.setdefault(int(port), set()).add(addresses.split(",")[0])
    return found


def test_every_flow_has_a_source_of_its_own_and_arrives(lab_with_prefix, tmp_path):
    lab = lab_with_prefix
    path = tmp_path / "tx.pcapng"
    command = [program(lab.build, "lbctl"), "--run-dir", lab.balancer.run_dir, "capture", "--point", "tx",
               "--seconds", "30", "--count", "100000", "-w", path]
    capture = lab.balancer.start("capture", *command)
    wait_until("the capture runs", lambda: "capturing" in capture.log.read_text())
    for flow in range(FLOWS):
        assert lab.client.get(http_url(lab.vip), "--local-port", str(31000 + flow)) == "b1"
    assert lab.client.sha256_of(http_url(lab.vip, "/files/large")) == lab.large_sha256
    capture.signal(signal.SIGINT)
    assert capture.wait(20) == 0, capture.tail()
    sources = {port: found for port, found in outer_sources(lab, path).items() if 31000 <= port < 31000 + FLOWS}
    assert len(sources) == FLOWS
    assert all(len(found) == 1 for found in sources.values()), sources
    distinct = {ipaddress.ip_address(address) for found in sources.values() for address in found}
    assert all(address in lab.prefix for address in distinct)
    # 12 of 65,536 or more: a pair that is the same is a matter of 1 in 1,000.
    assert len(distinct) >= FLOWS - 1
    assert "tunnel-dropped" not in lab.agent.log.read_text()
