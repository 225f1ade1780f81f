"""Frames as they are on the wire: sent from, and heard on, an interface of a host."""

from scapy.layers.l2 import Ether

from support.host import wait_until

LISTENING = "listening"
# Sends frames given in hexadecimal on an interface, and prints those that come, with their tags, as they are on the
# wire: the kernel hands a received tag over beside the frame (packet(7), PACKET_AUXDATA).
PROGRAM = f"""
import socket, struct, sys
link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
link.setsockopt(263, 8, 1)
link.bind((sys.argv[1], 0))
for frame in sys.argv[2:]:
    link.send(bytes.fromhex(frame))
print("{LISTENING}", flush=True)
while True:
    data, notes, _, address = link.recvmsg(65536, 256)
    if address[2] == socket.PACKET_OUTGOING:
        continue
    for level, kind, value in notes:
        status, _, _, _, _, control, protocol = struct.unpack("IIIHHHH", value[:20])
        if (level, kind) == (263, 8) and status & 0x10:
            data = data[:12] + struct.pack(">HH", protocol if status & 0x40 else 0x8100, control) + data[12:]
    print(data.hex(), flush=True)
"""


def start(host, name, interface, frames=()):
    """Sends the frames, one after the other, and listens until it is stopped. Returns when they are sent; what comes
    meanwhile is heard too."""
    process = host.start(name, "/usr/bin/python3", "-c", PROGRAM, interface, *[bytes(frame).hex() for frame in frames])
    wait_until(f"{name} listens", lambda: LISTENING in process.log.read_text())
    return process


def received(process):
    """The frames that have come so far."""
    lines = process.log.read_text(encoding="ascii").splitlines()
    return [Ether(bytes.fromhex(line)) for line in lines if line != LISTENING]
