"""A bounded flood of forged packets, sent as frames: flood.py DEVICE DESTINATION_MAC VIP PORT KIND PACKETS SECONDS.

KIND is syn, ack, udp, or udp2 (two datagrams a source). Source addresses and ports are random, of 198.18.0.0/15, which
nobody has (RFC 2544). It ends after so many packets or seconds, whichever comes first, and prints how many left.
"""

import random
import socket
import struct
import sys
import time

SOURCES = 0xC612_0000, 0x1_FFFF
FLAGS = {"syn": 0x02, "ack": 0x10}
BATCH = 50


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def frame(ethernet, vip, port, kind, dice):
    source = struct.pack("!I", SOURCES[0] | dice.getrandbits(17) & SOURCES[1])
    source_port = dice.randrange(1024, 65536)
    if kind in FLAGS:
        head = struct.pack("!HHIIBBHHH", source_port, port, dice.getrandbits(32), 0, 5 << 4, FLAGS[kind], 1024, 0, 0)
        protocol, at = 6, 16
    else:
        head = struct.pack("!HHHH", source_port, port, 12, 0) + b"ping"
        protocol, at = 17, 6
    pseudo = source + vip + struct.pack("!BBH", 0, protocol, len(head))
    head = head[:at] + struct.pack("!H", checksum(pseudo + head)) + head[at + 2:]
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(head), dice.getrandbits(16), 0, 64, protocol, 0) + source + vip
    ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    return (ethernet + ip + head).ljust(60, b"\0")


def main(device, destination, vip, port, kind, packets, seconds):
    dice = random.Random(1)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as out:
        out.bind((device, 0))
        ethernet = bytes.fromhex(destination.replace(":", "")) + out.getsockname()[4] + b"\x08\x00"
        address = socket.inet_aton(vip)
        end = time.monotonic() + float(seconds)
        sent = 0
        while sent < int(packets) and time.monotonic() < end:
            for _ in range(BATCH):
                one = frame(ethernet, address, int(port), kind, dice)
                for _ in range(2 if kind == "udp2" else 1):
                    try:
                        out.send(one)
                        sent += 1
                    except OSError:  # the device's queue is full
                        pass
            # Leaves the machine to those under test, too: at most some 20,000 a second.
            time.sleep(0.002)
    print(sent)


if __name__ == "__main__":
    main(*sys.argv[1:])
