"""Forged packets of random sources fill a small flow table while real downloads run over a drain.

Two workers with room for 512 flows each: 256 unproven and 256 of datagrams.
"""

import pathlib
import sys

import pytest
from support import flood as flood_program
from support.host import wait_until
from support.lending import NOTIFICATIONS, URLS

LAB = {"file_bytes": 12 << 20}  # 6 s at the 2 MiB/s of /slow/: longer than the flood's beginning and the drain
LENDING = {"flows": "1k"}
SERVICES = ("portal", "payments")
DOWNLOADS_EACH = 3
PACKETS, SECONDS = 30_000, 8
PORTAL = ("203.0.113.10", 80)


def start_downloads(platform, kind):
    """The server sets their pace: a reader's own limit lets the first megabytes of any buffer pass at once."""
    pipeline = 'curl -sS --fail --max-time 60 "$0" | sha256sum'
    return [platform.client.start(f"download-{kind}-{service}-{number}", "bash", "-o", "pipefail", "-c", pipeline,
                                  f"{URLS[service]}slow/large")
            for service in SERVICES for number in range(DOWNLOADS_EACH)]


def start_flood(platform, kind):
    vip, port = NOTIFICATIONS if kind.startswith("udp") else PORTAL
    return platform.client.start(f"flood-{kind}", sys.executable, pathlib.Path(flood_program.__file__), "eth0",
                                 platform.router.link("client")["address"], vip, port, kind, PACKETS, SECONDS)


class FlowMetrics:
    """What the workers' flow tables did since this was made; gauges as they are."""

    def __init__(self, balancer):
        self.balancer = balancer
        self.before = balancer.metrics()

    def since(self, name, **labels):
        def total(series):
            return sum(value for (found, have), value in series.items()
                       if found == f"fairlead_flow_{name}_total" and set(labels.items()) <= set(have))
        return total(self.balancer.metrics()) - total(self.before)

    def now(self, name, **labels):
        return self.balancer.metric(f"fairlead_flow_{name}", **labels)


@pytest.mark.parametrize("kind", ["syn", "ack", "udp2"])
def test_every_download_ends_byte_for_byte_through_a_flood_and_a_drain(platform, kind):
    balancer = platform.balancer
    metrics = FlowMetrics(balancer)
    established = metrics.now("state_entries", state="established")
    downloads = start_downloads(platform, kind)
    wait_until("the downloads are tracked",
               lambda: metrics.now("state_entries", state="established") >= established + len(downloads))
    flood = start_flood(platform, kind)
    full = "datagram" if kind == "udp2" else "unproven"
    wait_until("the flood meets its quota", lambda: metrics.since("quota_refusals", state=full) > 0, timeout_s=20)
    # The ring changes for all of them: what the table has lost goes to another server, which resets it.
    for service in SERVICES:
        balancer.lbctl("backend", "drain", f"{service}/b1")
    try:
        assert platform.client.get(URLS["portal"] + "healthz") is not None, "a new client, in the flood"
        assert flood.wait(SECONDS + 20) == 0
        sent = int(flood.log.read_text())
        for download in downloads:
            assert download.wait(60) == 0, download.tail()
            assert platform.large_sha256 in download.log.read_text()
    finally:
        for service in SERVICES:
            balancer.lbctl("backend", "ready", f"{service}/b1", "--wait")

    assert sent > 5_000, "the machine is too slow to say anything"
    for state in ("unproven", "datagram"):
        assert metrics.now("quota", state=state) == 512
        assert metrics.now("state_entries", state=state) <= 512
    if kind == "syn":  # takes nobody's place; the ACKs of new clients do
        assert metrics.since("insert_failures") > sent / 2
        assert metrics.since("evictions") < sent / 100
    elif kind == "ack":  # unproven flows make room for each other
        assert metrics.since("evictions", state="unproven") > sent / 2
        assert metrics.since("evictions", state="closing") == 0
    else:
        assert metrics.since("quota_refusals", state="datagram") > sent / 8
    assert metrics.since("lookups", result="miss") > sent / 4
