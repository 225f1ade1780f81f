"""The packet table (table.py) through the programs themselves: lbd publishes a configuration, lbdp reads the frames
from a capture file and writes what leaves to another. Needs no root, network or huge pages.

A worker polls no port before its first generation, so no frame is read too early.
"""

import collections
import json
import os
import pathlib
import re
import select
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request

import pytest
from scapy.utils import rdpcap, wrpcap
from scapy.packet import Raw

import fragments
import icmp_rows
import key_rows
import limit_rows
import neighbor_rows
import ping_pieces
import reply_rows
import scene
import table
import test_cuts
import vlan_rows
from oracle import maglev
from oracle.vlan import tagged

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("FAIRLEAD_BUILD", REPOSITORY / "build" / "release")).resolve()
RING_SIZE = 65537
# lbdp's buffers for a port with an MTU of 1,500; longer frames come in pieces and are not put together.
BUFFER_BYTES = 2048

ANNOUNCEMENTS = {neighbor_rows.announcement(service.vip) for service in scene.SERVICES}

HEAD = """
[node]
name = "lb1"
seed_file = "{directory}/seed"
[engine]
cpus = "{cpu}"
hugepages = "none"
flows = "64k"
idle = "yield"
[[port]]
name = "edge"
vdev = "net_pcap0,rx_pcap={directory}/in.pcap,tx_pcap={directory}/out.pcap"
mtu = {mtu}
mac = "{mac}"
address = ["{v4}/24", "{v6}/64"]
gateway = "10.0.0.1"
gateway_mac = "{router}"
{port_keys}
[api]
listen = "127.0.0.1:{listen}"
[defaults.health]
type = "none"
"""
SERVICE = """
[[service]]
name = "{name}"
vip = "{vip}"
protocol = "{protocol}"
forwarding = "{forwarding}"
icmp_echo = "{icmp_echo}"
unmatched = "{unmatched}"
hash = "{hash}"
allow = {allow}
deny = {deny}
"""
# A frame is counted by one of these once it has its verdict: a piece that waits for the first one, later than it came.
DECIDED = ("fairlead_backend_forwarded_packets_total", "fairlead_replies_total", "fairlead_dropped_packets_total")
BACKEND = """
  [[service.backend]]
  name = "{name}"
  address = "{address}"
  mac = "{mac}"
"""


def config(directory, listen, port_keys=""):
    text = HEAD.format(directory=directory, cpu=min(os.sched_getaffinity(0)), mtu=scene.EDGE.mtu, mac=scene.EDGE.mac,
                       v4=scene.EDGE.tunnel_source_v4, v6=scene.EDGE.tunnel_source_v6, router=scene.ROUTER_MAC,
                       listen=listen, port_keys=port_keys)
    for service in scene.SERVICES:
        text += SERVICE.format(name=service.name, vip=scene.vip_text(service), protocol=service.protocol,
                               forwarding=service.forwarding, hash=service.hash,
                               icmp_echo=service.icmp_echo, unmatched=service.unmatched,
                               allow=json.dumps(service.allow), deny=json.dumps(service.deny))
        text += f"source_prefix = {service.source_prefix}\n" if service.source_prefix else ""
        for backend in service.backends:
            text += BACKEND.format(name=backend.name, address=backend.address, mac=backend.mac)
    return text


def wait_until(what, condition, process, timeout_s=30):
    """The first true value of condition(); the log of a program that ends meanwhile."""
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        assert process.poll() is None, f"{what}: exit {process.returncode}"
        assert time.monotonic() < deadline, f"not in {timeout_s} s: {what}"
        select.select([], [], [], 0.02)
    return value


def metrics(listen):
    """{(name, labels): value}, or None while lbd does not answer."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{listen}/metrics", timeout=5) as answer:
            text = answer.read().decode()
    except OSError:
        return None
    lines = re.findall(r"^(\w+)(?:\{(.*)\})? (\S+)$", text, re.MULTILINE)
    return {(name, labels): float(value) for name, labels, value in lines}


class Run:
    """What came of the frames."""

    def __init__(self, directory, frames, listen, vlan=None):
        self.listen = listen
        self.announcements = ANNOUNCEMENTS if vlan is None else {tagged(frame, vlan) for frame in ANNOUNCEMENTS}
        port_keys = "" if vlan is None else f"vlan = {vlan}"
        (directory / "seed").write_text(f"{scene.SEED:016x}\n", encoding="ascii")
        wrpcap(str(directory / "in.pcap"), [Raw(frame) for frame in frames], linktype=1)
        configuration = directory / "fairlead.toml"
        configuration.write_text(config(directory, listen, port_keys), encoding="ascii")
        where = ["--config", configuration, "--run-dir", directory / "run"]
        (directory / "run").mkdir()
        with open(directory / "log", "wb") as log:
            lbd = subprocess.Popen([self.program("lbd"), *where, "--state-dir", directory / "state"], stderr=log)
            lbdp = subprocess.Popen([self.program("lbdp"), *where], stderr=log)
            try:
                wait_until(f"lbd answers; see {directory}/log", lambda: metrics(listen), lbd)
                wait_until(f"{len(frames)} frames are read; see {directory}/log",
                           lambda: self.counter("fairlead_worker_packets_total") == len(frames), lbdp)
                wait_until(f"what waited has its verdict too; see {directory}/log",
                           lambda: sum(map(self.counter, DECIDED)) >= len(frames), lbdp)
                wait_until(f"every VIP is announced; see {directory}/log",
                           lambda: self.counter("fairlead_announcements_total") >= len(ANNOUNCEMENTS), lbdp)
                self.metrics = metrics(listen)
                began = time.monotonic()
                lbdp.send_signal(signal.SIGTERM)
                self.exit_code = lbdp.wait(5)
                self.seconds_to_stop = time.monotonic() - began
            finally:
                for process in (lbdp, lbd):
                    process.terminate()
                    process.wait(10)
        sent = [bytes(packet) for packet in rdpcap(str(directory / "out.pcap"))]
        # A probe's answer is a VIP's announcement byte for byte, so it is among these.
        self.announced = collections.Counter(frame for frame in sent if frame in self.announcements)
        self.sent = [frame for frame in sent if frame not in self.announcements]

    @staticmethod
    def program(name):
        return next(path for path in sorted(BUILD.glob(f"**/{name}")) if path.is_file())

    def counter(self, name):
        """The sum of a counter's series now."""
        return sum(value for (found, _), value in (metrics(self.listen) or {}).items() if found == name)

    def replies(self):
        """{kind: packets}, without those that never happened."""
        return {re.search('kind="(.*)"', labels).group(1): int(value)
                for (name, labels), value in self.metrics.items()
                if name == "fairlead_replies_total" and value > 0}

    def dropped(self):
        """{reason: packets}, without those that never happened."""
        return {re.search('reason="(.*)"', labels).group(1): int(value)
                for (name, labels), value in self.metrics.items()
                if name == "fairlead_dropped_packets_total" and value > 0}


@pytest.fixture
def run():
    directories = []

    def start(frames, vlan=None):
        directories.append(pathlib.Path(tempfile.mkdtemp(prefix="fairlead-pcap-")))
        return Run(directories[-1], frames, 20000 + os.getpid() % 20000, vlan)

    yield start
    for directory in directories:
        shutil.rmtree(directory)


@pytest.mark.parametrize("vlan", [None, vlan_rows.VLAN], ids=["untagged", "tagged"])
def test_the_table_through_lbd_and_lbdp(run, vlan):
    """Every frame that leaves is the oracle's, in the order in which they came; every other one is counted."""
    rows = (table.rows() + key_rows.rows() + icmp_rows.rows() + limit_rows.rows() + reply_rows.rows()
            + neighbor_rows.rows())
    if vlan is not None:
        rows = vlan_rows.tagged(rows) + vlan_rows.rows()
    result = run([row.frame for row in rows], vlan=vlan)
    assert result.exit_code == 0 and result.seconds_to_stop < 2

    too_long = [row for row in rows if len(row.frame) > BUFFER_BYTES]
    expected = [row for row in rows if row.output is not None and row not in too_long]
    assert set(result.announced) == result.announcements
    like_them = collections.Counter(row.output for row in expected if row.output in result.announcements)
    assert all(result.announced[frame] > times for frame, times in like_them.items())
    expected = [row for row in expected if row.output not in result.announcements]
    for number, row in enumerate(expected):
        assert result.sent[number].hex() == row.output.hex(), row.description
    assert len(result.sent) == len(expected)

    verdicts = collections.Counter("too_big" if row in too_long else row.verdict for row in rows)
    del verdicts["transmit"]
    replies = {verdict[len("reply:"):]: verdicts.pop(verdict) for verdict in list(verdicts) if "reply:" in verdict}
    assert result.replies() == replies
    # Behind a capture file there is no kernel.
    verdicts["no_kernel_path"] = verdicts.pop("kernel")
    assert result.dropped() == dict(verdicts)


def portions(scenarios, waiting=200, answered=240):
    """The scenarios' pieces, in lists of which so few wait, and so few are answered, that nothing is over a limit."""
    portion, held, replies = [], 0, 0
    for scenario in scenarios:
        waits = sum(piece.waits for piece in scenario.pieces)
        echoes = sum(piece.verdict == "reply:echo" for piece in scenario.pieces)
        if held + waits > waiting or replies + echoes > answered:
            yield portion
            portion, held, replies = [], 0, 0
        portion += scenario.pieces
        held += waits
        replies += echoes
    yield portion


@pytest.mark.parametrize("vlan", [None, vlan_rows.VLAN], ids=["untagged", "tagged"])
def test_fragments_through_lbd_and_lbdp(run, vlan):
    """The scenarios of fragments.py and ping_pieces.py: what leaves, in whatever order what waited could leave."""
    for pieces in portions(fragments.scenarios() + ping_pieces.scenarios()):
        if vlan is not None:
            pieces = vlan_rows.tagged(pieces)
        result = run([piece.frame for piece in pieces], vlan=vlan)
        assert result.exit_code == 0
        verdicts = collections.Counter(piece.verdict for piece in pieces)
        answered = verdicts.pop("reply:echo", 0)
        assert result.replies() == ({"echo": answered} if answered else {})
        del verdicts["transmit"]
        if verdicts["kernel"]:
            verdicts["no_kernel_path"] = verdicts.pop("kernel")
        assert result.dropped() == {verdict: count for verdict, count in verdicts.items() if count}
        expected = collections.Counter(piece.output.hex() for piece in pieces if piece.output is not None)
        assert collections.Counter(frame.hex() for frame in result.sent) == expected


def test_cuts_through_lbd_and_lbdp(run):
    """Datagrams that may be fragmented, around the edge of what each mode leaves of the MTU."""
    frames, expected = [], collections.Counter()
    for service in test_cuts.V4:
        fits = scene.EDGE.mtu - scene.overhead(service) - scene.header_bytes(service)
        frames.append(test_cuts.datagram(service, fits))
        expected[scene.expected(service, frames[-1])] += 1
        for extra in (1, 8, 400):
            frames.append(test_cuts.datagram(service, fits + extra))
            pieces = test_cuts.expected_pieces(service, frames[-1])
            assert len(pieces) == 2
            expected.update(pieces)
    result = run(frames)
    assert result.exit_code == 0 and result.dropped() == {}
    sent = collections.Counter(result.sent)
    for frame in [*expected, *sent]:  # one by one: a difference of thousands takes pytest minutes
        assert sent[frame] == expected[frame], frame.hex()


def test_flows_spread_as_hash_and_ring_of_the_oracle_say(run):
    """Configuration to wire: the daemon's ring, the seed of its file and the engine's hash, all of them recomputed."""
    rows = []
    for service in (scene.BY_NAME["credit"], scene.BY_NAME["credit6"], *key_rows.BOUND):
        ring = maglev.build({backend.name.encode(): 1 for backend in service.backends}, RING_SIZE)
        numbers = {backend.name.encode(): number for number, backend in enumerate(service.backends)}
        make = key_rows.bound_rows if service in key_rows.BOUND else table.spread_rows
        rows += make(service, [numbers[name] for name in ring])
    result = run([row.frame for row in rows])
    assert len(result.sent) == len(rows)
    for row, sent in zip(rows, result.sent):
        assert sent.hex() == row.output.hex(), row.description
