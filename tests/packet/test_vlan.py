"""Ports with a VLAN against dp/forward: the whole packet table behind a tag, and tags that are not the port's."""

import collections

import pytest
from scapy.layers.inet import IP, defragment
from scapy.layers.l2 import Dot1Q, Ether

import fragments
import scene
import test_cuts
import vlan_rows
from oracle.vlan import tagged
from test_table import ROWS, run, run_lines, tables, verdict_of
from vlan_rows import OTHER, VLAN

WAYS = {
    "same": (VLAN, VLAN),
    "translated": (VLAN, OTHER),
    "untagged-to-tagged": (None, VLAN),
    "tagged-to-untagged": (VLAN, None),
    "priority-to-untagged": (0, None),
    "priority-to-tagged": (0, VLAN),
}


def two_ports(vlan_in, vlan_out):
    """Tables in which frames come by port 0 and leave for backends by port 1."""
    config = tables()
    [port] = config["ports"]
    config["ports"] = [{**port, "vlan": vlan_in or 0}, {**port, "vlan": vlan_out or 0}]
    for backend in config["backends"]:
        backend["port"] = 1
    return config


def rows_of(way):
    """Replies leave by the port on which the packet came, whatever the other one's VLAN is."""
    vlan_in, vlan_out = WAYS[way]
    forwarded = vlan_rows.tagged(ROWS, vlan_in, vlan_out)
    answered = vlan_rows.tagged(ROWS, vlan_in, vlan_in or None)
    return [b if a.verdict.startswith("reply:") else a for a, b in zip(forwarded, answered)]


@pytest.mark.parametrize("way", WAYS)
def test_the_whole_table(way):
    rows = rows_of(way)
    answers, counters = run(two_ports(*WAYS[way]), [row.frame for row in rows])
    for row, answer in zip(rows, answers):
        assert verdict_of(answer) == row.verdict, row.description
        wanted = row.frame if row.output is None else row.output
        assert answer["frame"] == wanted.hex(), row.description
    verdicts = collections.Counter(row.verdict for row in rows)
    assert verdicts["transmit"] > 400 and verdicts["kernel"] > 20 and len(verdicts) > 20
    assert counters["packets"] == len(rows) and counters["kernel"] == verdicts["kernel"]
    drops = {v: n for v, n in verdicts.items() if v not in ("transmit", "kernel") and not v.startswith("reply:")}
    assert counters["dropped"] == drops


@pytest.mark.parametrize("row", vlan_rows.rows(), ids=lambda row: row.description)
def test_other_tags_and_none(row):
    config = tables(port={"vlan": VLAN})
    [answer], counters = run(config, [row.frame])
    assert verdict_of(answer) == row.verdict
    assert answer["frame"] == row.frame.hex()
    assert counters["packets"] == 1 and counters["kernel"] == (row.verdict == "kernel")


@pytest.mark.parametrize("row", vlan_rows.priority_rows(), ids=lambda row: row.description)
@pytest.mark.parametrize("other_vlan", [0, OTHER], ids=["no-vlan-anywhere", "another-port-has-one"])
def test_priority_tags_on_a_port_without_a_vlan(row, other_vlan):
    [answer], counters = run(two_ports(0, other_vlan), [row.frame])
    assert verdict_of(answer) == row.verdict
    assert answer["frame"] == row.frame.hex()
    assert counters["packets"] == 1 and counters["kernel"] == (row.verdict == "kernel")


def test_scapy_sees_one_tag_with_the_priority_that_came():
    rows = rows_of("same")
    answers, _ = run(two_ports(VLAN, VLAN), [row.frame for row in rows])
    seen = collections.Counter()
    for row, answer in zip(rows, answers):
        if row.output is None:
            continue
        came, left = Ether(row.frame)[Dot1Q], Ether(bytes.fromhex(answer["frame"]))[Dot1Q]
        assert (left.vlan, left.prio, left.id) == (VLAN, came.prio, came.id), row.description
        assert not isinstance(left.payload, Dot1Q)
        seen[left.prio, left.id] += 1
    assert len(seen) == 16


@pytest.mark.parametrize("way", WAYS)
def test_fragments_wait_and_leave_with_their_tags(way):
    """Pieces in any order: those that wait are looked at again as frames of the port on which they came."""
    vlan_in, vlan_out = WAYS[way]
    # The last frame that is received comes by the other port, as it may when held ones are looked at again.
    bystander = {"frame": bytes(scene.frame_to(scene.BY_NAME["portal"])).hex(), "port": 1}
    scenarios = [(scenario.description, vlan_rows.tagged(scenario.pieces, vlan_in, vlan_out))
                 for scenario in fragments.scenarios()]
    # One after the other in one run: by the end of each, nothing of it waits any more.
    lines = []
    for _, pieces in scenarios:
        lines += [{"frame": piece.frame.hex()} for piece in pieces]
        lines += [bystander, {"advance_ms": 1}, {"advance_ms": 1000}]
    answers = iter(run_lines(two_ports(vlan_in, vlan_out), lines))
    frames_before = 0
    for description, pieces in scenarios:
        final = [next(answers) for _ in pieces]
        assert [verdict_of(answer) == "hold" for answer in final] == [piece.waits for piece in pieces], description
        for piece, answer in zip(pieces, final):
            if verdict_of(answer) == "hold":
                assert answer["frame"] == piece.frame.hex(), "it waits as it came"
        assert verdict_of(next(answers)) in ("transmit", "kernel"), "the bystander"
        for answer in next(answers) + next(answers):
            final[answer["number"] - frames_before] = answer
        for number, (piece, answer) in enumerate(zip(pieces, final)):
            assert verdict_of(answer) == piece.verdict, (description, number)
            wanted = piece.frame if piece.output is None else piece.output
            assert answer["frame"] == wanted.hex(), (description, number)
        frames_before += len(pieces) + 1


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["portal", "api", "names", "gre-4in6-udp", "gue-4in6-tcp"])
def test_every_piece_of_a_cut_packet_has_the_tag_and_priority_of_the_whole(way, name):
    vlan_in, vlan_out = WAYS[way]
    service = scene.BY_NAME[name]
    whole = test_cuts.datagram(service, 4000)
    frame = whole if vlan_in is None else tagged(whole, vlan_in, priority=3, drop_eligible=True)
    wanted = test_cuts.expected_pieces(service, whole)
    if vlan_out is not None:
        priority = {} if vlan_in is None else {"priority": 3, "drop_eligible": True}
        wanted = [tagged(piece, vlan_out, **priority) for piece in wanted]
    [answer, _] = run_lines(two_ports(vlan_in, vlan_out), [{"frame": frame.hex()}])
    assert verdict_of(answer) == "transmit"
    assert [piece.hex() for piece in test_cuts.frames_of(answer)] == [piece.hex() for piece in wanted]
    if service.forwarding == "l2" and vlan_out is not None:
        again = defragment([Ether(piece)[IP] for piece in test_cuts.frames_of(answer)])
        assert len(again) == 1 and bytes(again[0].payload) == whole[34:]


@pytest.mark.parametrize("name, needed", [("portal", 0), ("api", 20), ("gre-4in6-udp", 44), ("gue-4in6-udp", 52)])
def test_headroom_of_outer_header_and_tag(name, needed):
    """Where the frame came tagged, its own tag's place is room enough for the other one."""
    frame = bytes(scene.frame_to(scene.BY_NAME[name], b"x"))
    for vlan_in, more in ((VLAN, 0), (None, 4)):
        came = frame if vlan_in is None else tagged(frame, vlan_in)
        [answer], _ = run(two_ports(vlan_in, VLAN), [came], headroom=needed + more)
        assert verdict_of(answer) == "transmit"
        if needed + more == 0:
            continue
        [answer], counters = run(two_ports(vlan_in, VLAN), [came], headroom=needed + more - 1)
        assert verdict_of(answer) == "no_headroom"
        assert counters["dropped"] == {"no_headroom": 1} and counters["packets"] == 1


def test_a_tagged_frame_on_a_port_without_a_vlan_is_the_kernels_though_another_port_has_one():
    frame = tagged(bytes(scene.frame_to(scene.BY_NAME["portal"])), VLAN)
    [answer], _ = run(two_ports(None, VLAN), [frame])
    assert verdict_of(answer) == "kernel" and answer["frame"] == frame.hex()
