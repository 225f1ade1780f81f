"""Fragments (fragments.py) against dp/forward: by the oracle's bytes, piece by piece."""

import collections

import pytest
from scapy.layers.inet import IP, defragment
from scapy.layers.inet6 import ICMPv6EchoReply, IPv6, IPv6ExtHdrFragment
from scapy.layers.l2 import Ether
from scapy.packet import Raw

import fragments
import ping_pieces
import scene
from test_table import run_lines, tables, verdict_of

SCENARIOS = fragments.scenarios() + ping_pieces.scenarios()
LATE_MS = 1000  # as long as a piece may wait


def run(*groups):
    """Groups of pieces, with a turn of housekeeping after each, and all the time that they need at the end. After a
    group goes by as much time as it may have taken tokens of the reply limit.

    ([the answer at once], [the answer at the end]), a piece each, and the counters.
    """
    lines = []
    for pieces in groups:
        lines += [{"frame": piece.frame.hex()} for piece in pieces] + [{"advance_ms": len(pieces)}]
    answers = run_lines(tables(), lines + [{"advance_ms": LATE_MS}])
    at_once = [answer for answer in answers[:-1] if isinstance(answer, dict)]
    at_the_end = list(at_once)
    for answer in (one for answer in answers[:-1] if isinstance(answer, list) for one in answer):
        at_the_end[answer["number"]] = answer
    return at_once, at_the_end, answers[-1]


def assert_as_written(pieces, at_the_end, counters):
    for number, piece in enumerate(pieces):
        what = f"piece {number}"
        assert verdict_of(at_the_end[number]) == piece.verdict, what
        wanted = piece.output if piece.output is not None else piece.frame
        assert at_the_end[number]["frame"] == wanted.hex(), what
    assert counters["packets"] == len(pieces), "each is counted once, however often it was looked at"
    reasons = collections.Counter(p.verdict for p in pieces if p.verdict not in ("transmit", "kernel", "reply:echo"))
    assert counters["dropped"] == dict(reasons)
    answered = sum(piece.verdict == "reply:echo" for piece in pieces)
    assert counters["replies"].get("echo", 0) == answered


@pytest.mark.parametrize("scenario", SCENARIOS, ids=[scenario.description for scenario in SCENARIOS])
def test_scenario(scenario):
    at_once, at_the_end, counters = run(scenario.pieces)
    assert [verdict_of(answer) == "hold" for answer in at_once] == [piece.waits for piece in scenario.pieces]
    assert_as_written(scenario.pieces, at_the_end, counters)


def test_all_scenarios_in_one_run_do_not_meet():
    _, at_the_end, counters = run(*[scenario.pieces for scenario in SCENARIOS])
    assert_as_written([piece for scenario in SCENARIOS for piece in scenario.pieces], at_the_end, counters)


def put_together6(sent):
    """RFC 8200, 4.5; scapy's own defragment6() wants the pieces in order, and leaves gaps otherwise."""
    data = bytearray()
    for piece in sorted(sent, key=lambda one: one[IPv6ExtHdrFragment].offset):
        assert len(data) == 8 * piece[IPv6ExtHdrFragment].offset
        data += bytes(piece[IPv6ExtHdrFragment].payload)
    return IPv6(bytes(IPv6(src=sent[0].src, dst=sent[0].dst, nh=58) / Raw(bytes(data))))


@pytest.mark.parametrize("vip", [ping_pieces.VIPS[0], ping_pieces.VIPS[2]])
@pytest.mark.parametrize("size", [1473, 4000, 65507])
def test_scapy_puts_the_pieces_of_a_reply_together(vip, size):
    """And computes the checksum of the whole anew."""
    ping = ping_pieces.Ping(vip, size)
    cuts = [*range(0, len(ping.data), 1448), len(ping.data)]
    pieces = [ping.answered(*part) for part in reversed(list(zip(cuts, cuts[1:])))]
    _, at_the_end, _ = run(pieces)
    sent = [Ether(bytes.fromhex(answer["frame"])).payload for answer in at_the_end]
    packet = put_together6(sent) if ":" in vip else IP(bytes(defragment(sent)[0]))
    message = packet.payload
    assert (packet.src, packet.dst) == (vip, ping.client)
    assert isinstance(message, ICMPv6EchoReply) if ":" in vip else message.type == 0
    name = "cksum" if ":" in vip else "chksum"
    claimed = message.fields[name]
    message.delfieldval(name)
    assert type(sent[0])(bytes(packet)).payload.fields[name] == claimed
    assert bytes(message)[8:] == ping.data[8:]


def test_descriptions_tell_scenarios_apart():
    assert len({scenario.description for scenario in SCENARIOS}) == len(SCENARIOS) > 150


@pytest.mark.parametrize("name", ["credit", "credit6"])
def test_every_piece_goes_where_the_first_one_does(name):
    """A service of three backends, many clients: the pieces of a datagram stay together."""
    service = scene.BY_NAME[name]
    v6 = scene.is_v6(service)
    datagrams = []
    for client in range(150):
        source = f"2001:db8:c::{client + 1:x}" if v6 else f"198.51.100.{client + 1}"
        datagrams.append(fragments.Datagram(service, ip={"src": source}, number=77))
    used = collections.Counter()
    for first in range(0, len(datagrams), 10):
        group = datagrams[first : first + 10]
        pieces = [fragments.Piece(d.cut(*d.thirds()[part]), "") for part in (1, 2, 0) for d in group]
        _, at_the_end, _ = run(pieces)
        for i in range(len(group)):
            macs = {Ether(bytes.fromhex(at_the_end[i + len(group) * part]["frame"])).dst for part in range(3)}
            assert len(macs) == 1
            used.update(macs)
    assert len(used) == 3 and min(used.values()) > 20
