"""lbctl capture: what the engine receives, sends and drops, read back by tshark."""

import json
import os
import re
import signal
import subprocess
import time

import pytest
from support import lending
from support.balancer import program
from support.host import wait_until

FAILED, USAGE, UNREACHABLE, REFUSED = 1, 2, 3, 5
CLIENT, PORTAL, PAYMENTS = "10.1.0.2", "203.0.113.10", "203.0.113.20"
FIELDS = ["frame.interface_name", "frame.comment", "frame.len", "frame.time_epoch", "eth.dst", "ip.src", "ip.dst",
          "tcp.srcport", "tcp.dstport", "frame.protocols"]

# A piece without a first one.
LAST_PIECE = """
import sys
from scapy.all import IP, Raw, send
send(IP(dst=sys.argv[1], proto=17, frag=185, id=4711) / Raw(b"f" * 64), verbose=False)
"""


def tshark(path, *options):
    """The packets of a file, each {field: text}; a field of several layers is joined by commas."""
    words = [word for field in FIELDS for word in ("-e", field)]
    done = subprocess.run(["tshark", "-r", path, "-T", "fields", "-E", "separator=|", *words, *options],
                          capture_output=True, text=True, check=True)
    assert "truncated" not in done.stderr and "cut short" not in done.stderr, done.stderr
    return [dict(zip(FIELDS, line.split("|"))) for line in done.stdout.splitlines()]


@pytest.fixture
def capture(platform, tmp_path):
    """capture(*words): starts one, returns when it runs; .finish() ends it like Ctrl-C and reads the file."""
    started = []

    class Capture:
        def __init__(self, *words):
            self.path = tmp_path / f"{len(started)}.pcapng"
            command = [program(platform.balancer.build, "lbctl"), "--run-dir", platform.balancer.run_dir, "capture",
                       "-w", self.path, *words]
            self.process = platform.balancer.start(f"capture-{time.monotonic_ns()}", *command)
            started.append(self.process)
            wait_until("the capture runs", lambda: "capturing" in self.process.log.read_text())

        def said(self):
            return self.process.log.read_text()

        def wait(self):
            assert self.process.wait(20) == 0, self.process.tail()
            return tshark(self.path)

        def finish(self):
            time.sleep(0.05)  # some looks of the reader
            self.process.signal(signal.SIGINT)
            return self.wait()

    yield Capture
    for process in started:
        process.stop()


def get(platform, url, port):
    return platform.client.get(url, "--local-port", str(port))


def knock(platform, url, port):
    platform.client.run("curl", "-s", "--globoff", "--max-time", "0.3", "--local-port", str(port), url, check=False)


def test_rx_as_it_arrived_and_tx_as_it_left(platform, capture):
    taken = capture(f"tcp port 30001 and host {CLIENT}", "--point", "rx", "--point", "tx")
    before = time.time()
    name = get(platform, lending.URLS["payments"], 30001)
    packets = taken.finish()
    received = [p for p in packets if p["frame.interface_name"] == "edge:rx"]
    sent = [p for p in packets if p["frame.interface_name"] == "edge:tx"]
    assert len(received) == len(sent) >= 3 and len(packets) == len(received) + len(sent)
    own_mac = platform.balancer.link("eth0")["address"]
    backend = platform.backend(name)
    for packet in received:
        assert (packet["ip.src"], packet["ip.dst"], packet["tcp.srcport"]) == (CLIENT, PAYMENTS, "30001")
        assert packet["eth.dst"] == own_mac
        assert before - 0.5 < float(packet["frame.time_epoch"]) < time.time() + 0.5
        assert re.search(r"\.\d{9}$", packet["frame.time_epoch"])
    for before_it, packet in zip(received, sent):
        assert packet["ip.src"] == f"{lending.BALANCER_ADDRESSES[0]},{CLIENT}"
        assert packet["ip.dst"] == f"{backend.addresses[4]},{PAYMENTS}"
        assert packet["eth.dst"] == backend.link("eth0")["address"]
        assert int(packet["frame.len"]) == int(before_it["frame.len"]) + 20
    assert {p["frame.comment"] for p in packets} == {""}
    assert "0 lost" in taken.said()


def test_a_drop_carries_its_reason_as_comment(platform, capture):
    taken = capture("--point", "drop", f"src host {CLIENT}")
    knock(platform, f"http://{PORTAL}:81/", 30101)
    get(platform, lending.URLS["portal"], 30102)
    packets = taken.finish()
    assert packets and {p["tcp.dstport"] for p in packets} == {"81"}
    for packet in packets:
        assert packet["frame.interface_name"] == "edge:drop"
        assert packet["frame.comment"].startswith("no_service: No service listens on this port of the VIP.")
    told = platform.balancer.lbctl("-o", "json", "drops").json()["drops"]
    sentence = next(drop["sentence"] for drop in told if drop["reason"] == "no_service")
    assert packets[0]["frame.comment"] == f"no_service: {sentence}"


def test_a_fragment_that_waited_in_vain_is_shown_when_it_goes(platform, capture):
    """Its burst is long over by then."""
    taken = capture("--point", "drop", f"src host {CLIENT}")
    platform.client.run("/usr/bin/python3", "-IB", "-c", LAST_PIECE, PORTAL)
    wait_until("the fragment has gone", lambda: platform.balancer.metric(
        "fairlead_dropped_packets_total", reason="fragment") > 0)
    [packet] = taken.finish()
    assert packet["frame.comment"].startswith("fragment: ") and packet["ip.dst"] == PORTAL
    assert int(packet["frame.len"]) == 14 + 20 + 64


def test_the_filter_is_tcpdumps_and_its_mistakes_are_told(platform, capture):
    taken = capture("--point", "rx", "tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn and dst port 80")
    for port in range(30201, 30204):
        get(platform, lending.URLS["portal"], port)
    assert sorted(p["tcp.srcport"] for p in taken.finish()) == ["30201", "30202", "30203"]
    wrong = platform.balancer.lbctl("capture", "-w", "/dev/null", "tcp prot 80", check=False)
    assert wrong.code == USAGE and "tcp prot 80" in wrong.err and "pcap-filter" in wrong.err
    for words in (["--point", "middle"], ["--seconds", "0"], ["--seconds", "100000"], ["--snaplen", "0"]):
        assert platform.balancer.lbctl("capture", "-w", "/dev/null", *words, check=False).code == USAGE


def test_it_ends_by_count_and_by_time(platform, capture):
    load = platform.client.start_load(lending.URLS["portal"], connections=2, pause_ms=5)
    try:
        assert len(capture("--count", "7").wait()) == 7
        began = time.monotonic()
        assert len(capture("--seconds", "1", "--count", "1000000", "--snaplen", "60").wait()) > 7
        assert 0.9 < time.monotonic() - began < 8
    finally:
        assert [entry for entry in load.stop() if entry["error"]] == []


def test_it_can_be_piped_into_tshark(platform):
    lbctl = [program(platform.balancer.build, "lbctl"), "--run-dir", platform.balancer.run_dir]
    line = 'exec "$0" "$@" capture --count 4 --seconds 15 --point rx dst port 80 -w - | tshark -r - -T fields -e ip.dst'
    process = platform.balancer.start("piped", "bash", "-c", line, *lbctl)
    wait_until("the capture runs", lambda: "capturing" in process.log.read_text())
    get(platform, lending.URLS["portal"], 30401)
    assert process.wait(20) == 0, process.tail()
    assert re.findall(rf"^{re.escape(PORTAL)}$", process.log.read_text(), re.MULTILINE) == [PORTAL] * 4


def test_a_reader_that_stands_still_costs_packets_of_the_capture_and_none_of_the_traffic(platform, capture):
    taken = capture("--count", "100000000", "--seconds", "60")
    load = platform.client.start_load(lending.URLS["portal"], connections=2, pause_ms=5)
    taken.process.signal(signal.SIGSTOP)
    try:
        for _ in range(4):  # uploads: what the balancer sees of them fills the rings
            assert platform.client.upload(lending.URLS["portal"] + "upload/x", platform.files / "large") in (201, 204)
    finally:
        taken.process.signal(signal.SIGCONT)
        results = load.stop()
    assert [entry for entry in results if entry["error"]] == []
    packets = taken.finish()
    captured, lost = map(int, re.search(r"(\d+) packets captured, (\d+) lost", taken.said()).groups())
    assert captured == len(packets) and captured > 1000 and lost > 1000
    # The statistics in the file say the same.
    info = subprocess.run(["capinfos", "-M", taken.path], capture_output=True, text=True, check=True).stdout
    assert re.search(rf"Number of packets: *{captured}$", info, re.MULTILINE), info


def test_one_at_a_time_and_a_killed_reader_leaves_none_behind(platform, capture):
    first = capture("--seconds", "60")
    second = platform.balancer.lbctl("capture", "-w", "/dev/null", check=False)
    assert second.code == REFUSED and "another capture runs" in second.err
    first.process.kill()
    wait_until("the next one may run", lambda: platform.balancer.lbctl(
        "capture", "-w", "/dev/null", "--seconds", "1", check=False).code == 0)


def test_only_root_and_the_group_may_capture(platform):
    command = [program(platform.balancer.build, "lbctl"), "--run-dir", platform.balancer.run_dir, "capture", "-w",
               "/dev/null", "--seconds", "1"]
    refused = platform.balancer.run("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *command,
                                    check=False)
    assert refused.returncode == UNREACHABLE and "members of group fairlead" in refused.stderr, refused.stderr


def test_without_an_engine_it_says_so_and_with_its_end_the_file_is_whole(platform, capture):
    taken = capture("--seconds", "60", "--point", "rx")
    get(platform, lending.URLS["portal"], 30801)
    assert platform.balancer.lbdp.stop() == 0
    try:
        assert len(taken.wait()) >= 3  # SYN, ACK, request; the engine may be gone before the FIN
        done = platform.balancer.lbctl("capture", "-w", "/dev/null", check=False)
        assert done.code == UNREACHABLE and "lbdp is not running" in done.err
    finally:
        platform.balancer.start_lbdp()


def test_a_file_that_cannot_be_written_is_a_failure(platform):
    done = platform.balancer.lbctl("capture", "-w", "/nonexistent/x", check=False)
    assert done.code == FAILED and "/nonexistent/x" in done.err
    assert json.loads(platform.balancer.lbctl("-o", "json", "status").out)["engine"]["up"] is True
    assert os.path.exists(platform.balancer.run_dir / "lbdp.sock")
