"""The packet table against bpf/steer.bpf.c where no engine polls: what it sends is what dp/forward sends, byte for
byte, and it sends nothing that dp/forward would not send as it is."""

import collections
import json
import os
import pathlib
import subprocess

import pytest
import scene
import vlan_rows
from test_steer import OUR_MAC, pieces
from test_table import ROWS, tables

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("FAIRLEAD_BUILD", REPOSITORY / "build" / "release")).resolve()
RUNNER = BUILD / "tests" / "bpf" / "steer_runner"
DROPPED, AWAY, NO_ROOM = 2, 3, 4  # enum steer_outcome
XDP_DROP, XDP_PASS, XDP_TX, XDP_REDIRECT = 1, 2, 3, 4
HELD, FORWARDED, WITHOUT_ROOM = 0, 1, 2  # enum steer_service_kind
LOOPBACK, ANOTHER = 1, 2  # a test run has the first interface for its own
SERVICES = tables()["services"]
VIPS_WITH_RANGES = {service["vip"] for service in SERVICES if service["last_port"]}


def can_be_forwarded(service):
    return (service["mode"] in ("l2", "ipip") and not service["allow"] and not service["deny"]
            and not service["last_port"] and (service["port"] != 0 or service["vip"] not in VIPS_WITH_RANGES))


# As scene.py names them: tables() has them in the same order.
FORWARDED_NAMES = {named.name for named, service in zip(scene.SERVICES, SERVICES) if can_be_forwarded(service)}


def away_maps(vlan_out=None, ifindex=LOOPBACK, is_settled=True, kind=None, **changes):
    """What the engine's control thread would have written for scene.SERVICES."""
    config = tables(**changes)
    config["ports"] = [{**port, "ifindex": ifindex, "vlan": vlan_out or 0} for port in config["ports"]]
    # A range is found by no exact port; it is held by not being there.
    config["services"] = [
        {**service, "kind": kind if kind is not None and can_be_forwarded(service) else int(can_be_forwarded(service))}
        for service in config["services"] if not service["last_port"]]
    return {**config, "is_settled": is_settled}


def run(frames, away, vlan_in=None):
    if os.geteuid() != 0:
        pytest.skip("loading a BPF program needs root")
    assert RUNNER.exists(), f"no {RUNNER}: build first, with tools/test --only build"
    request = {"mac": OUR_MAC.hex(), "virtual_macs": scene.VIRTUAL_MACS, "vlan": vlan_in or 0,
               "vips": sorted({s.vip for s in scene.SERVICES}),
               "frames": [frame.hex() for frame in frames], "away": away}
    done = subprocess.run([RUNNER], input=json.dumps(request), capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def is_plain(frame, vlan):
    """No options, extension headers or fragment, and TCP or UDP."""
    packet = frame[14 if vlan is None else 18:]
    if packet[0] >> 4 == 6:
        return packet[6] in (6, 17)
    return packet[0] == 0x45 and packet[9] in (6, 17) and int.from_bytes(packet[6:8], "big") & 0x3FFF == 0


@pytest.mark.parametrize("vlan_in, vlan_out", [(None, None), (vlan_rows.VLAN, vlan_rows.VLAN),
                                               (None, vlan_rows.VLAN), (vlan_rows.VLAN, None),
                                               (0, None), (0, vlan_rows.VLAN)])
def test_what_is_sent_is_what_the_engine_sends(vlan_in, vlan_out):
    rows = [row for row in ROWS + pieces() if len(row.frame) >= 14]
    rows = vlan_rows.tagged(rows, vlan_in, vlan_out)
    answers = run([row.frame for row in rows], away_maps(vlan_out), vlan_in)
    sent, left = collections.Counter(), []
    for row, answer in zip(rows, answers):
        if answer["outcome"] != AWAY:
            assert answer["action"] in (XDP_DROP, XDP_PASS) and answer["frame"] == row.frame.hex(), row.description
            if row.verdict == "transmit" and row.service in FORWARDED_NAMES and is_plain(row.frame, vlan_in):
                left.append(row.description)
            continue
        assert row.verdict == "transmit", f"{row.description}: dp/forward says {row.verdict}"
        assert answer["action"] == XDP_TX, row.description
        assert answer["frame"] == row.output.hex(), f"{row.description}\n{answer['frame']}\n{row.output.hex()}"
        sent[scene.BY_NAME[row.service].forwarding if row.service else None] += 1
    assert sent["l2"] > 100 and sent["ipip"] > 100, sent
    assert not left, left[:20]


def first_rows():
    return [row for row in ROWS if row.description.endswith(": first packet")
            and row.service in FORWARDED_NAMES]


def test_only_a_syn_goes_by_a_slot_that_is_not_settled():
    rows = first_rows()
    answers = run([row.frame for row in rows], away_maps(is_settled=False))
    for row, answer in zip(rows, answers):
        is_syn = scene.BY_NAME[row.service].protocol == "tcp"
        assert answer["outcome"] == (AWAY if is_syn else DROPPED), row.description
    by_flags = {"S": AWAY, "SEC": AWAY} | dict.fromkeys(("A", "SA", "FA", "R", "SF", "PA"), DROPPED)
    frames = [bytes(scene.frame_to(scene.BY_NAME["portal"], transport={"flags": flags})) for flags in by_flags]
    assert [a["outcome"] for a in run(frames, away_maps(is_settled=False))] == list(by_flags.values())
    assert {a["outcome"] for a in run(frames, away_maps())} == {AWAY}


def test_another_port_is_redirected_to():
    rows = first_rows()
    for row, answer in zip(rows, run([row.frame for row in rows], away_maps(ifindex=ANOTHER))):
        assert answer["outcome"] == AWAY and answer["action"] == XDP_REDIRECT, row.description
        assert answer["frame"] == row.output.hex(), row.description


def test_nothing_leaves_by_a_port_without_an_interface():
    rows = first_rows()
    assert {answer["outcome"] for answer in run([row.frame for row in rows], away_maps(ifindex=0))} == {DROPPED}


def test_what_has_no_room_is_counted_apart():
    rows = first_rows()
    assert {a["outcome"] for a in run([r.frame for r in rows], away_maps(kind=WITHOUT_ROOM))} == {NO_ROOM}
    assert {a["outcome"] for a in run([r.frame for r in rows], away_maps(kind=HELD))} == {DROPPED}


def test_an_empty_slot_is_nobodys():
    portal = bytes(scene.frame_to(scene.BY_NAME["portal"]))
    away = away_maps()
    for service in away["services"]:
        service["ring"] = [0x4000] * len(service["ring"])
    assert run([portal], away)[0]["outcome"] == DROPPED
