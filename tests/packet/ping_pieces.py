"""Fragmented pings of a VIP, and what becomes of each piece: scenarios as in fragments.py.

What leaves is cut from the oracle's reply to the whole request, so its checksum is that of the whole.
"""

import itertools
import struct

from scapy.layers.inet import IP, IPOption_NOP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop
from scapy.packet import Raw

import scene
from fragments import Datagram, Piece, Scenario
from oracle import headers, replies

VIPS = ("203.0.113.10", "203.0.113.11", "2001:db8::10", "2001:db8::11")
SILENT = ("203.0.113.13", "2001:db8::13")
OTHER_MAC = "02:00:00:00:00:55"
ICMP, ICMPV6, FRAGMENT = 1, 58, 44


class Ping:
    """One echo request, to be cut anywhere."""

    def __init__(self, vip, payload_bytes=3000, kind=None, ether=None, before=(), ip=None):
        self.vip, self.v6 = vip, ":" in vip
        self.client = scene.CLIENT6 if self.v6 else scene.CLIENT
        self.number = next(Datagram.numbers)
        self.ether, self.before, self.ip = ether or {}, before, ip or {}
        payload = bytes((13 * i + self.number) % 256 for i in range(payload_bytes))
        kind = (128 if self.v6 else 8) if kind is None else kind
        self.data = self._message(kind, payload, self.client, vip)
        self.reply = self._message(129 if self.v6 else 0, payload, vip, self.client)

    def _message(self, kind, payload, source, destination):
        head = struct.pack(">BBHHH", kind, 0, 0, 0x1234, 7)
        checksum = (headers.v6_checksum(source, destination, ICMPV6, head + payload) if self.v6
                    else headers.internet_checksum(head + payload))
        return head[:2] + struct.pack(">H", checksum) + head[4:] + payload

    def raw(self, offset, data, more, protocol=None):
        if not self.v6:
            fields = {"src": self.client, "dst": self.vip, "ttl": 57, "tos": 0x28, "proto": ICMP, "id": self.number,
                      "flags": "MF" if more else "", "frag": offset // 8, **self.ip}
            return bytes(scene.ether(**self.ether) / IP(**fields) / Raw(data))
        packet = IPv6(**{"src": self.client, "dst": self.vip, "hlim": 57, "tc": 0x28, **self.ip})
        for header in self.before:
            packet /= header.copy()
        packet /= IPv6ExtHdrFragment(nh=protocol or ICMPV6, offset=offset // 8, m=int(more), res1=0xFF, res2=3,
                                     id=self.number << 16 | 9)
        return bytes(scene.ether(**self.ether) / packet / Raw(data))

    def cut(self, start, end):
        return self.raw(start, self.data[start:end], end < len(self.data))

    def answered(self, start, end, waits=False):
        frame = self.cut(start, end)
        more = end < len(self.data)
        body = self.reply[start:end]
        if self.v6:
            head = struct.pack(">BBHI", ICMPV6, 0, start | more, self.number << 16 | 9)
            body = replies.ip_packet(6, self.vip, self.client, FRAGMENT, head + body, tos=0x28)
        else:
            body = replies.ip_packet(4, self.vip, self.client, ICMP, body, 0x28, self.number, more << 13 | start // 8)
        return Piece(frame, "reply:echo", frame[6:12] + frame[0:6] + frame[12:14] + body, waits)

    def dropped(self, reason, start, end, waits=False):
        return Piece(self.cut(start, end), reason, waits=waits)

    def left_alone(self, start, end):
        return Piece(self.cut(start, end), "kernel")

    def thirds(self):
        return (0, 1400), (1400, 2400), (2400, len(self.data))


def in_any_order():
    for vip in VIPS:
        for order in itertools.permutations(range(3)):
            ping = Ping(vip)
            pieces, has_first = [], False
            for part in order:
                has_first |= part == 0
                pieces.append(ping.answered(*ping.thirds()[part], waits=not has_first))
            yield Scenario(f"ping {vip}: pieces in the order {order}", tuple(pieces))


def of_any_size():
    for vip in (VIPS[0], VIPS[2]):
        step = 1448 if ":" in vip else 1480
        for size in (1473, 4000, 65507):
            ping = Ping(vip, size)
            cuts = [*range(0, len(ping.data), step), len(ping.data)]
            parts = list(zip(cuts, cuts[1:]))
            yield Scenario(f"ping {vip}: {size} bytes", tuple(ping.answered(*part) for part in parts))
            ping = Ping(vip, size)
            pieces = [ping.answered(*part, waits=part[0] != 0) for part in reversed(parts)]
            yield Scenario(f"ping {vip}: {size} bytes, the last piece first", tuple(pieces))
        ping = Ping(vip, 20)
        yield Scenario(f"ping {vip}: a first piece with the ICMP header alone",
                       (ping.answered(0, 8), ping.answered(8, 28)))
        ping = Ping(vip, 1500)
        padded = ping.answered(1496, 1508)
        padded = Piece(padded.frame + b"\xee" * 10, padded.verdict, padded.output)
        yield Scenario(f"ping {vip}: a last piece with Ethernet padding", (ping.answered(0, 1448),
                       ping.answered(1448, 1496), padded))


def refused():
    for vip in VIPS:
        ping = Ping(vip)
        a, b, c = ping.thirds()
        yield Scenario(f"ping {vip}: a piece twice", (ping.answered(*a), ping.dropped("fragment_overlap", *a),
                       ping.answered(*b), ping.dropped("fragment_overlap", *b), ping.answered(*c)))
        ping = Ping(vip)
        yield Scenario(f"ping {vip}: pieces that overlap", (ping.answered(*a),
                       ping.dropped("fragment_overlap", 1392, 2400), ping.dropped("fragment_overlap", *b)))
        ping = Ping(vip)
        spots = [(at, at + 8) for at in range(0, 18 * 64, 64)]
        yield Scenario(f"ping {vip}: more gaps than are remembered",
                       (*(ping.answered(*spot) for spot in spots[:17]), ping.dropped("fragment_no_room", *spots[17]),
                        ping.dropped("fragment_no_room", *spots[17]), ping.answered(8, 64), ping.answered(*spots[17]),
                        ping.dropped("fragment_overlap", *spots[17])))
        ping = Ping(vip)
        late = Piece(ping.raw(65528, b"death" * 200, False), "bad_fragment")
        yield Scenario(f"ping {vip}: of death", (ping.answered(*a), late))
        ping = Ping(vip)
        yield Scenario(f"ping {vip}: the first piece never comes",
                       (ping.dropped("fragment", *b, waits=True), ping.dropped("fragment", *c, waits=True)))
        kind = 129 if ping.v6 else 0
        ping = Ping(vip, kind=kind)
        yield Scenario(f"{vip}: pieces of an echo reply",
                       (ping.dropped("icmp_type", *a), ping.dropped("icmp_type", *b)))
        ping = Ping(vip)
        flooded = Ping(vip, ether={"dst": OTHER_MAC})
        flooded.number = ping.number
        yield Scenario(f"ping {vip}: a later piece to another host", (ping.answered(*a),
                       flooded.left_alone(*b), ping.answered(*b), ping.answered(*c)))
        ping = Ping(vip, ether={"dst": OTHER_MAC})
        yield Scenario(f"ping {vip}: pieces to another host",
                       (ping.left_alone(*a), ping.left_alone(*b)))
        ping = Ping(vip)
        big = 1488 if ping.v6 else 1496
        yield Scenario(f"ping {vip}: a later piece over the MTU",
                       (ping.answered(*a), ping.dropped("too_big", 1400, 1400 + big)))
        ping = Ping(vip)
        yield Scenario(f"ping {vip}: a first piece over the MTU",
                       (ping.dropped("too_big", 0, big), ping.dropped("too_big", big, 2400)))
    for vip in SILENT:
        ping = Ping(vip)
        a, b, c = ping.thirds()
        yield Scenario(f"ping {vip}, which never answers: pieces",
                       (ping.dropped("echo_refused", *b, waits=True), ping.dropped("echo_refused", *a),
                        ping.dropped("echo_refused", *c)))


def with_other_headers():
    ping = Ping(VIPS[0], ip={"options": [IPOption_NOP()] * 4})
    yield Scenario("ping with IP options: pieces", tuple(ping.answered(*part) for part in ping.thirds()))
    ping = Ping(VIPS[2], before=(IPv6ExtHdrHopByHop(), IPv6ExtHdrDestOpt()))
    yield Scenario("ping behind extension headers: pieces", tuple(ping.answered(*part) for part in ping.thirds()))
    ping = Ping(VIPS[2])
    ping.data = bytes(IPv6ExtHdrDestOpt(nh=ICMPV6)) + ping.data
    first = Piece(ping.raw(0, ping.data[:1400], True, protocol=60), "extension_header")
    last = Piece(ping.raw(1400, ping.data[1400:], False, protocol=60), "extension_header")
    yield Scenario("ping with an extension header inside the pieces", (first, last))
    ping = Ping(VIPS[2], 100)
    frame = ping.cut(0, len(ping.data))
    yield Scenario("ping in an atomic fragment", (Piece(frame, "reply:echo", replies.echo_reply(frame, 48)),) * 2)


def scenarios():
    return [scenario for make in (in_any_order, of_any_size, refused, with_other_headers) for scenario in make()]
