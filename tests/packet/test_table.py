"""The packet table (table.py) against dp/forward.

Two judges for what leaves: the oracle's bytes, and scapy, which takes the frame apart and sums it up anew.
"""

import collections
import ipaddress
import json
import os
import pathlib
import subprocess

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import GRE, Ether
from scapy.packet import Raw

import icmp_rows
import key_rows
import limit_rows
import neighbor_rows
import reply_rows
import scene
import table
import virtual_rows

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("FAIRLEAD_BUILD", REPOSITORY / "build" / "release")).resolve()
RUNNER = BUILD / "tests" / "packet" / "packet_runner"
READY = "published linked keeps admits"
RING_SIZE = 1021

ROWS = (table.rows() + key_rows.rows() + icmp_rows.rows() + limit_rows.rows() + reply_rows.rows()
        + neighbor_rows.rows() + virtual_rows.rows())


def ring_of(backends):
    """Any ring does for these tests: 0 1 2 0 1 2, shifted now and then."""
    return [(slot + slot // 7) % backends for slot in range(RING_SIZE)]


def tables(**changes):
    """The runner's first line for scene.SERVICES; changes: flags of all backends, fields of the port."""
    services, backends = [], []
    for number, service in enumerate(scene.SERVICES):
        first = len(backends)
        backends += [
            {"service": number, "address": b.address, "mac": b.mac, "flags": changes.get("flags", READY)}
            for b in service.backends
        ]
        services.append({
            "vip": service.vip,
            "port": service.port,
            "last_port": service.last_port,
            "source_prefix": scene.source_prefix(service),
            "protocol": service.protocol,
            "mode": service.forwarding,
            "answers_echo": service.icmp_echo != "never",
            "rejects_unmatched": service.unmatched == "reject",
            "allow": service.allow,
            "deny": service.deny,
            "ring": changes.get("ring", [first + slot for slot in ring_of(len(service.backends))]),
        })
    port = {
        "mac": scene.EDGE.mac,
        "virtual_macs": scene.VIRTUAL_MACS,
        "mtu": changes.get("mtu", scene.EDGE.mtu),
        "tunnel_source_v4": changes.get("tunnel_source_v4", scene.EDGE.tunnel_source_v4),
        "tunnel_source_v6": changes.get("tunnel_source_v6", scene.EDGE.tunnel_source_v6),
    }
    port |= changes.get("port", {})
    return {"seed": scene.SEED, "ports": [port], "services": services, "backends": backends}


def run_lines(config, lines):
    """The runner's answers to these requests, and the counters."""
    text = "".join(json.dumps(line) + "\n" for line in [config, *lines])
    done = subprocess.run([RUNNER], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(lines) + 1
    return answers


def run(config, frames, headroom=64):
    """(an answer a frame, the counters)"""
    answers = run_lines(config, [{"frame": frame.hex(), "headroom": headroom} for frame in frames])
    return answers[:-1], answers[-1]


def verdict_of(answer):
    if answer["reply"] != "none":
        assert answer["action"] == "transmit"
        return f"reply:{answer['reply']}"
    return answer["reason"] if answer["action"] == "drop" else answer["action"]


@pytest.fixture(scope="module")
def judged():
    """{row number: answer}, and the counters after all of them."""
    return run(tables(), [row.frame for row in ROWS])


@pytest.mark.parametrize("number", range(len(ROWS)), ids=[row.description for row in ROWS])
def test_row(judged, number):
    row, answer = ROWS[number], judged[0][number]
    assert verdict_of(answer) == row.verdict
    if row.output is None:
        assert answer["frame"] == row.frame.hex(), "what is not forwarded is left as it is"
    else:
        assert answer["frame"] == row.output.hex()


def test_every_row_is_counted_once(judged):
    counters = judged[1]
    verdicts = collections.Counter(row.verdict for row in ROWS)
    assert counters["packets"] == len(ROWS)
    assert counters["kernel"] == verdicts.pop("kernel")
    del verdicts["transmit"]
    replies = {kind: verdicts.pop(kind) for kind in list(verdicts) if kind.startswith("reply:")}
    assert counters["replies"] == {kind[len("reply:"):]: count for kind, count in replies.items()}
    assert counters["dropped"] == dict(verdicts)


def test_descriptions_tell_rows_apart():
    repeated = [text for text, count in collections.Counter(row.description for row in ROWS).items() if count > 1]
    assert repeated == []


def rebuilt(packet):
    """The same IP packet with every IPv4 header checksum, and a tunnel's UDP checksum, computed by scapy."""
    packet = packet.copy()
    layer = packet
    while layer is not None:
        if isinstance(layer, ICMP):
            break  # what it quotes is the business of others
        if isinstance(layer, IP):
            del layer.chksum
        if isinstance(layer, UDP) and layer.dport == table.headers.GUE_PORT and layer.chksum:
            del layer.chksum
        layer = layer.payload or None
    return bytes(packet)


def inside(outer, service):
    """What a tunnel packet carries, as scapy reads it; GUE, which scapy does not know, by its 4 bytes."""
    carried = outer.payload
    if service.forwarding == "gre":
        assert isinstance(carried, GRE) and bytes(carried)[:2] == b"\0\0"
        return carried.payload
    if service.forwarding == "gue":
        assert isinstance(carried, UDP) and carried.dport == 6080 and carried.sport >= 49152
        assert carried.len == len(bytes(carried))
        assert bool(carried.chksum) == isinstance(outer, IPv6), "over IPv6, and only there"
        gue = bytes(carried.payload)
        assert gue[:4] == bytes((0, 41 if scene.is_v6(service) else 4, 0, 0))
        return (IPv6 if scene.is_v6(service) else IP)(gue[4:])
    return carried


def test_scapy_finds_nothing_wrong_with_what_leaves(judged):
    seen = collections.Counter()
    for row, answer in zip(ROWS, judged[0]):
        if row.verdict != "transmit":
            continue
        frame = Ether(bytes.fromhex(answer["frame"]))
        service = scene.BY_NAME[row.service]
        ip = frame.payload
        target = service.vip if service.forwarding == "l2" else service.backends[0].address
        assert type(ip) is (IPv6 if ":" in target else IP), row.description
        assert ip.dst == target, row.description
        if "wrong TCP checksum" not in row.description:
            assert rebuilt(ip) == bytes.fromhex(answer["frame"])[14:], row.description
        padding = len(bytes(ip)) - (ip.plen + 40 if isinstance(ip, IPv6) else ip.len)
        assert padding == 0 or padding > 0 and service.forwarding == "l2" and len(frame) == 60, row.description
        if service.forwarding != "l2":
            inner = inside(ip, service)
            assert type(inner) is (IPv6 if scene.is_v6(service) else IP), row.description
            assert inner.dst == service.vip, row.description
        seen[service.forwarding] += 1
    assert all(count > 100 for count in seen.values()) and len(seen) == 4


def test_gue_spreads_flows_over_the_source_ports():
    service = scene.BY_NAME["gue-4in6-udp"]
    frames = [bytes(scene.frame_to(service, transport={"sport": port})) for port in range(1024, 2048)]
    answers, _ = run(tables(), frames)
    ports = {UDP(bytes.fromhex(answer["frame"])[54:62]).sport for answer in answers}
    assert len(ports) > 950 and min(ports) >= 49152


def test_scapy_finds_nothing_wrong_with_replies(judged):
    """Every checksum computed anew, from the IP header to the last byte; an error's quote is left as it is."""
    seen = collections.Counter()
    for row, answer in zip(ROWS, judged[0]):
        if not row.verdict.startswith("reply:") or row.verdict == "reply:neighbor":
            continue
        sent = bytes.fromhex(answer["frame"])
        frame, came = Ether(sent), Ether(row.frame)
        assert (frame.dst, frame.src) == (came.src, came.dst), row.description
        ip = frame.payload
        assert ip.dst == came.payload.src, row.description
        body = ip.payload.copy()
        quote = None if row.verdict in ("reply:echo", "reply:reset") else bytes(body)[8:]
        if quote is not None:
            assert came.payload.build().startswith(quote), row.description
            body.remove_payload()
            body = body / Raw(quote)
        for name in ("chksum", "cksum"):
            if name in body.fields:
                body.delfieldval(name)
        header = ip.copy()
        header.remove_payload()
        if isinstance(header, IP):
            del header.chksum
        assert bytes(header / body) == sent[14:], row.description
        seen[row.verdict] += 1
    assert len(seen) == 5 and min(seen.values()) > 10, seen


@pytest.mark.parametrize("service", key_rows.BOUND, ids=[service.name for service in key_rows.BOUND])
def test_a_client_stays_with_its_backend(service):
    """Whatever it sends, and whatever is said about it, in one run; and clients spread."""
    rows = key_rows.bound_rows(service, ring_of(len(service.backends)))
    answers, counters = run(tables(), [row.frame for row in rows])
    for row, answer in zip(rows, answers):
        assert verdict_of(answer) == "transmit", row.description
        assert answer["frame"] == row.output.hex(), row.description
    assert counters["dropped"] == {}
    shares = collections.Counter(answer["backend"] for answer in answers)
    assert len(shares) == 3 and min(shares.values()) > len(rows) / 6


@pytest.mark.parametrize("name", ["credit", "credit6"])
def test_flows_spread_as_hash_and_ring_say(name):
    service = scene.BY_NAME[name]
    rows = table.spread_rows(service, ring_of(len(service.backends)))
    answers, _ = run(tables(), [row.frame for row in rows])
    for row, answer in zip(rows, answers):
        assert answer["frame"] == row.output.hex(), row.description
    shares = collections.Counter(answer["backend"] for answer in answers)
    assert len(shares) == 3 and min(shares.values()) > 100


@pytest.mark.parametrize("prefix", ["10.77.0.0/16", "10.77.8.4/30", "fd00:1:2:3::/64", "fd00:1:2:3:4:5::/96"])
@pytest.mark.parametrize("name", ["api", "api6", "notify", "notify6", "ipip-6in4-tcp", "ipip-4in6-udp", "gre-4in4-udp",
                                  "gre-6in6-tcp", "gue-4in6-tcp"])
def test_a_tunnel_source_prefix_gives_each_flow_a_source_of_its_own(name, prefix):
    service = scene.BY_NAME[name]
    bits = ipaddress.ip_network(prefix).max_prefixlen - ipaddress.ip_network(prefix).prefixlen
    keys = {"tunnel_prefix_v6": prefix.split("/")[0]} if ":" in prefix else {
        "tunnel_prefix_v4": prefix.split("/")[0], "entropy_bits_v4": bits}
    rows = table.spread_rows(service, ring_of(len(service.backends)), flows=40, prefix=prefix)
    answers, _ = run(tables(port=keys), [row.frame for row in rows])
    for row, answer in zip(rows, answers):
        assert answer["frame"] == row.output.hex(), row.description
    outer_is_v6 = ":" in service.backends[0].address
    sources = {row.output[22:38] if outer_is_v6 else row.output[26:30] for row in rows}
    is_ours = outer_is_v6 == (":" in prefix)
    assert len(sources) == (1 if not is_ours else 4 if bits == 2 else 40)


@pytest.mark.parametrize(
    "changes, names, verdict",
    [
        ({"ring": []}, ["portal", "api", "notify6"], "no_backend"),
        ({"ring": [0xFFFF]}, ["portal", "api6"], "no_backend"),
        ({"flags": "linked keeps admits"}, ["portal", "api6"], "no_backend"),
        ({"flags": "published keeps admits"}, ["portal", "api", "names6", "notify6"], "no_neighbor"),
        ({"flags": "published linked"}, ["portal", "api6"], "transmit"),
        ({"tunnel_source_v4": ""}, ["api", "notify"], "no_tunnel_source"),
        ({"tunnel_source_v4": ""}, ["portal", "names", "api6", "notify6"], "transmit"),
        ({"tunnel_source_v6": ""}, ["api6", "notify6"], "no_tunnel_source"),
        ({"tunnel_source_v4": ""}, ["ipip-6in4-tcp", "gre-4in4-udp", "gue-6in4-tcp"], "no_tunnel_source"),
        ({"tunnel_source_v6": ""}, ["ipip-4in6-udp", "gre-6in6-tcp", "gue-4in6-tcp"], "no_tunnel_source"),
        ({"tunnel_source_v4": ""}, ["ipip-4in6-udp", "gre-6in6-tcp", "gue-4in6-tcp"], "transmit"),
        ({"tunnel_source_v6": ""}, ["portal6", "names6", "api", "notify"], "transmit"),
        ({"ring": [255]}, ["portal"], "no_backend"),
        ({"ring": [256]}, ["portal"], "bad_tables"),
        ({"mtu": 39}, ["portal"], "too_big"),
        ({"mtu": 40}, ["portal"], "transmit"),
    ],
    ids=str,
)
def test_what_the_tables_lack_is_said(changes, names, verdict):
    frames = [bytes(scene.ether() / scene.packet_to(scene.BY_NAME[name])) for name in names]
    answers, _ = run(tables(**changes), frames)
    assert [verdict_of(answer) for answer in answers] == [verdict] * len(names)


@pytest.mark.parametrize("name, needed", [
    ("portal", 0), ("names6", 0), ("api", 20), ("notify6", 40), ("ipip-6in4-tcp", 20), ("ipip-4in6-tcp", 40),
    ("gre-6in4-udp", 24), ("gre-4in6-udp", 44), ("gue-6in4-udp", 32), ("gue-4in6-udp", 52)])
def test_headroom_is_needed_for_the_outer_header_only(name, needed):
    frame = bytes(scene.ether() / scene.packet_to(scene.BY_NAME[name]))
    answers, _ = run(tables(), [frame], headroom=needed)
    assert verdict_of(answers[0]) == "transmit"
    if needed:
        answers, _ = run(tables(), [frame], headroom=needed - 1)
        assert verdict_of(answers[0]) == "no_headroom"
