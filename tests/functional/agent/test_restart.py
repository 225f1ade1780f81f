"""lbagent is ended, killed and started again under real connections through a tunnel, and none of them notices."""

import json
import signal

import pytest
from backend_state import attached_programs, counters, events
from support.balancer import remove_lbagent
from support.host import wait_until
from support.lab import http_url

from test_tunnels import VIPS, counted, encapsulate, start_agent

# The kernel takes no tunnels apart here: one that comes to it is counted so.
MISSED = {4: "IpInUnknownProtos", 6: "Ip6InUnknownProtos"}
ENDINGS = [signal.SIGTERM, signal.SIGKILL] * 3
TRANSFER_BYTES = 16 << 20
RATE = "3m"


def missed(backend, family):
    text = backend.run("nstat", "--json", "--zeros", "--ignore", "--noupdate", MISSED[family]).stdout
    return json.loads(text)["kernel"][MISSED[family]]


def start_transfers(lab, family):
    """A download and an upload that last some seconds."""
    curl = ["curl", "-sS", "--fail", "--globoff", "--max-time", "60", "--limit-rate", RATE]
    return [lab.client.start("download", *curl, "-o", lab.client.directory / "got",
                             http_url(VIPS[family], "/files/large")),
            lab.client.start("upload", *curl, "-T", lab.files / "large", http_url(VIPS[family], "/upload/a"))]


@pytest.mark.parametrize("family", [4, 6])
def test_connections_hold_over_every_ending_and_start(make_lab, family):
    lab = make_lab(backends=1, file_bytes=TRANSFER_BYTES)
    [backend] = lab.backends
    agent = start_agent(lab)
    encapsulate(lab, family)
    transfers = start_transfers(lab, family)
    load = lab.client.start_load(http_url(VIPS[family]), connections=4)
    before = missed(backend, family)
    for ending in ENDINGS:
        agent.signal(ending)
        agent.wait()
        load.wait_for_more(20)
        agent = start_agent(lab)
        load.wait_for_more(20)
    results = load.stop()
    assert [result for result in results if result["error"]] == []
    assert [transfer.wait(60) for transfer in transfers] == [0, 0], "\n".join(t.tail() for t in transfers)
    assert lab.client.run("sha256sum", lab.client.directory / "got").stdout.split()[0] == lab.large_sha256
    assert backend.uploaded_sha256("a") == lab.large_sha256
    assert missed(backend, family) == before, "tunnel packets came to the kernel"


def test_the_counters_go_on_over_a_restart(make_lab):
    lab = make_lab(backends=1, file_bytes=1)
    agent = start_agent(lab)
    encapsulate(lab, 4)
    lab.client.get(http_url(VIPS[4]))
    assert agent.stop() == 0
    first = counters(agent)["decapsulated"]
    assert first > 0
    lab.client.get(http_url(VIPS[4]))
    agent = start_agent(lab)
    assert counted(agent)["decapsulated"] > first
    assert not [event for event in events(agent) if event["event"] == "tunnel-dropped"]


def test_while_the_agent_is_away_and_after_it_is_removed(make_lab):
    lab = make_lab(backends=1, file_bytes=1)
    [backend] = lab.backends
    agent = start_agent(lab)
    encapsulate(lab, 4)
    agent.kill()
    agent.wait()
    assert lab.client.get(http_url(VIPS[4])) == "b1"
    before = missed(backend, 4)
    remove_lbagent(backend, lab.build)
    assert attached_programs(backend) == []
    lab.client.run("curl", "-s", "--max-time", "1", http_url(VIPS[4]), check=False)
    wait_until("the kernel gets the tunnel now", lambda: missed(backend, 4) > before)
