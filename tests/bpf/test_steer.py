"""The packet table against bpf/steer.bpf.c, which decides for an AF_XDP port what is the engine's: what dp/forward
leaves to the kernel never comes there, and everything else does, but for frames to another host and those cut short."""

import json
import os
import pathlib
import subprocess

import fragments
import ping_pieces
import pytest
import scene
import table
import vlan_rows
from test_table import ROWS

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("FAIRLEAD_BUILD", REPOSITORY / "build" / "release")).resolve()
RUNNER = BUILD / "tests" / "bpf" / "steer_runner"
TO_KERNEL, TO_ENGINE = 0, 2  # no socket is there: what would go to one is dropped, and counted as such
ETHERNET = 14
QUESTIONS = {"reply:neighbor", "bad_neighbor_question"}  # of ARP and neighbor discovery, about a VIP
OUR_MAC = bytes.fromhex(scene.EDGE.mac.replace(":", ""))
OUR_MACS = {OUR_MAC, *(bytes.fromhex(mac.replace(":", "")) for mac in scene.VIRTUAL_MACS)}


def steered(frames, vlan):
    """The outcome of each frame on a port with this VLAN; None or 0: without one."""
    if os.geteuid() != 0:
        pytest.skip("loading a BPF program needs root")
    assert RUNNER.exists(), f"no {RUNNER}: build first, with tools/test --only build"
    request = {"mac": OUR_MAC.hex(), "virtual_macs": scene.VIRTUAL_MACS, "vlan": vlan or 0,
               "vips": sorted({service.vip for service in scene.SERVICES}), "frames": [frame.hex() for frame in frames]}
    done = subprocess.run([RUNNER], input=json.dumps(request), capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    assert [answer["frame"] for answer in answers] == request["frames"], "untouched, wherever it goes"
    return [answer["outcome"] for answer in answers]


def pieces():
    """Fragments in an order of their own are for the engine one by one."""
    return [table.Row(f"{scenario.description}, {number}", piece.frame, piece.verdict)
            for scenario in fragments.scenarios() + ping_pieces.scenarios()
            for number, piece in enumerate(scenario.pieces)]


def has_destination(frame, vlan):
    """Whether a whole IP header follows: the engine calls the others truncated, and the kernel drops them as well."""
    start = ETHERNET + (0 if vlan is None else 4)
    if len(frame) < start:
        return False
    return len(frame) >= start + {b"\x08\x00": 20, b"\x86\xdd": 40}.get(frame[start - 2:start], 0)


@pytest.mark.parametrize("vlan", [None, 0, vlan_rows.VLAN], ids=["untagged", "priority-tagged", "tagged"])
def test_the_engine_gets_what_it_does_not_leave_to_the_kernel(vlan):
    rows = ROWS + pieces()
    if vlan is not None:
        rows = vlan_rows.tagged(rows, vlan) + (vlan_rows.rows() if vlan else vlan_rows.priority_rows())
    rows = [row for row in rows if len(row.frame) >= ETHERNET]
    wrong = []
    for row, outcome in zip(rows, steered([row.frame for row in rows], vlan)):
        is_kernels = (row.verdict == "kernel" or not has_destination(row.frame, vlan)
                      or row.frame[:6] not in OUR_MACS and not (row.frame[0] & 1 and row.verdict in QUESTIONS))
        if outcome != (TO_KERNEL if is_kernels else TO_ENGINE):
            wrong.append((row.description, row.verdict, outcome, len(row.frame)))
    assert not wrong, f"{len(wrong)} of {len(rows)}: {wrong[:40]}"
    assert sum(row.verdict == "kernel" for row in rows) > 30 and len(rows) > 10_000, len(rows)
