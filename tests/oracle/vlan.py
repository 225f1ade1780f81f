"""Frames with a VLAN tag, from IEEE 802.1Q: 9.3 (its place), 9.4 (its type), 9.6 (its 16 bits)."""

import struct

CUSTOMER_TAG, SERVICE_TAG = 0x8100, 0x88A8
ADDRESSES = 12


def tagged(frame, vlan, priority=0, drop_eligible=False, kind=CUSTOMER_TAG):
    """The frame with a tag between its addresses and its type."""
    control = priority << 13 | int(drop_eligible) << 12 | vlan
    return frame[:ADDRESSES] + struct.pack(">HH", kind, control) + frame[ADDRESSES:]
