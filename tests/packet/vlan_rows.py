"""Rows of the packet table for ports with a VLAN.

    tagged(rows)        the rows of other files, as they are on a port with VLAN 7
    rows()              tags that are not the port's, and frames without one
    priority_rows()     a port without a VLAN: tags that name none, beside and within others
"""

import dataclasses

import scene
import table
from oracle.vlan import SERVICE_TAG, tagged as with_tag
from scene import BY_NAME, ROUTER_MAC

VLAN, OTHER = 7, 8
ETHERNET = 14  # a frame without a whole Ethernet header has no place for a tag


def priority_of(number):
    """(priority, drop eligible) of the row with this number: all sixteen, one after the other."""
    return {"priority": number % 8, "drop_eligible": number // 8 % 2 == 1}


def tagged(rows, vlan=VLAN, out=VLAN):
    """Each row with VLAN `vlan` where it comes and VLAN `out` where it leaves.

    None: no tag there, 0: one that names no VLAN."""
    result = []
    for number, row in enumerate(rows):
        if len(row.frame) < ETHERNET:
            continue
        priority = priority_of(number) if vlan is not None else {}
        frame = row.frame if vlan is None else with_tag(row.frame, vlan, **priority)
        output = row.output if row.output is None or out is None else with_tag(row.output, out, **priority)
        result.append(dataclasses.replace(row, frame=frame, output=output))
    return result


def rows():
    """For a port with VLAN 7: what is the kernel's for its tag alone, or too short."""
    result = table.Table()
    questions = [(f"{name}: ", bytes(scene.frame_to(BY_NAME[name], b"left to the kernel")))
                 for name in ("portal", "api", "names6", "gue-4in6-udp")]
    import neighbor_rows

    questions += [("ARP: ", bytes(neighbor_rows.request())), ("solicitation: ", bytes(neighbor_rows.solicitation()))]
    for name, frame in questions:
        result.left_alone(name + "no tag", frame)
        result.left_alone(name + "priority-tagged", with_tag(frame, 0, priority=5))
        result.left_alone(name + "another VLAN", with_tag(frame, OTHER))
        result.left_alone(name + "the VLAN's bits and one more", with_tag(frame, VLAN | 0x800))
        result.left_alone(name + "VLAN 4095", with_tag(frame, 4095))
        result.left_alone(name + "a service tag", with_tag(frame, VLAN, kind=SERVICE_TAG))
        result.left_alone(name + "a second tag behind the first", with_tag(with_tag(frame, VLAN), VLAN))
        result.left_alone(name + "a service tag before the tag",
                          with_tag(with_tag(frame, VLAN), VLAN, kind=SERVICE_TAG))
        result.left_alone(name + "a priority tag behind the first", with_tag(with_tag(frame, 0), VLAN))
    whole = with_tag(bytes(scene.frame_to(BY_NAME["portal"])), VLAN)
    for size in (14, 15, 16, 17):
        result.left_alone(f"a tag cut off after {size} bytes of the frame", whole[:size])
    for size in (0, 11, 12, 13):
        result.dropped(f"{size} bytes of a tagged frame", "truncated", whole[:size])
    for size in (18, 37):
        result.dropped(f"{size} bytes of a tagged frame", "truncated", whole[:size])
    result.left_alone("a tag and another Ethernet type, nothing more",
                      with_tag(bytes(scene.ether(src=ROUTER_MAC, type=0x9000)), VLAN))
    return result.rows


def priority_rows():
    """For a port without a VLAN. What a tag of VLAN 0 is taken off from is in test_vlan.py: the whole table."""
    result = table.Table()
    frame = bytes(scene.frame_to(BY_NAME["portal"], b"left to the kernel"))
    result.left_alone("a second priority tag behind the first", with_tag(with_tag(frame, 0), 0, priority=5))
    result.left_alone("a VLAN's tag behind a priority tag", with_tag(with_tag(frame, VLAN), 0))
    result.left_alone("a priority tag behind a VLAN's", with_tag(with_tag(frame, 0), VLAN))
    result.left_alone("a service tag of VLAN 0", with_tag(frame, 0, kind=SERVICE_TAG))
    result.left_alone("VLAN 4095", with_tag(frame, 4095))
    result.left_alone("VLAN 1", with_tag(frame, 1, priority=7, drop_eligible=True))
    whole = with_tag(frame, 0, priority=1)
    for size in (14, 15, 16, 17):
        result.left_alone(f"a priority tag cut off after {size} bytes of the frame", whole[:size])
    for size in (18, 37):
        result.dropped(f"{size} bytes of a priority-tagged frame", "truncated", whole[:size])
    return result.rows
