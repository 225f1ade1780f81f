"""Fragmented datagrams, and what becomes of each piece.

A scenario is a description and pieces in the order of their coming; only the order inside a scenario matters. A
piece is a frame, its verdict at the end, the frame that leaves if it does, and whether it has to wait for another
one first. Frames are scapy's, what leaves is the oracle's, as in table.py.
"""

import dataclasses
import functools
import itertools

from scapy.layers.inet import IPOption_NOP, IPOption_Router_Alert
from scapy.layers.inet6 import IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop, PadN
from scapy.packet import Raw

from scene import BY_NAME, SINGLE, ether, expected, ip_to, is_v6, transport_to, usual_hash


@dataclasses.dataclass(frozen=True)
class Piece:
    frame: bytes
    verdict: str  # as table.Row
    output: bytes = None
    waits: bool = False


@dataclasses.dataclass(frozen=True)
class Scenario:
    description: str
    pieces: tuple


def protocol_number(service):
    return {"tcp": 6, "udp": 17}[service.protocol]


class Datagram:
    """One datagram of a service: its transport header and payload, to be cut anywhere."""

    numbers = itertools.count(1)

    def __init__(self, service, payload_bytes=3000, transport=None, ip=None, number=None):
        self.service = service
        self.number = next(Datagram.numbers) if number is None else number
        self.ip = ip or {}
        self.flow = usual_hash(service, (ip or {}).get("src"), (transport or {}).get("sport", 40000))
        payload = bytes((17 * i + self.number) % 256 for i in range(payload_bytes))
        whole = ip_to(service) / transport_to(service, **(transport or {})) / Raw(payload)
        self.data = bytes(whole)[40 if is_v6(service) else 20 :]

    def raw(self, offset, data, more, before=(), protocol=None):
        """A frame with any offset and bytes. before: IPv6 headers before the fragment header."""
        protocol = protocol_number(self.service) if protocol is None else protocol
        if not is_v6(self.service):
            flags = ("MF+" if more else "") + self.ip.get("flags", "")
            fields = {"id": self.number, "proto": protocol, **self.ip, "flags": flags.strip("+"), "frag": offset // 8}
            return bytes(ether() / ip_to(self.service, **fields) / Raw(data))
        packet = ip_to(self.service, **self.ip)
        for header in before:
            packet /= header.copy()
        return bytes(ether() / packet / IPv6ExtHdrFragment(nh=protocol, offset=offset // 8, m=int(more),
                                                           id=self.number << 16 | 7) / Raw(data))

    def cut(self, start, end, **options):
        """The frame with these bytes of the datagram."""
        return self.raw(start, self.data[start:end], end < len(self.data), **options)

    def forwarded(self, start, end, waits=False, padding=b"", **options):
        frame = self.cut(start, end, **options) + padding
        return Piece(frame, "transmit", expected(self.service, frame, flow=self.flow), waits)

    def dropped(self, reason, start, end, waits=False):
        return Piece(self.cut(start, end), reason, waits=waits)

    def thirds(self):
        """Three stretches that the datagram falls into."""
        return (0, 1400), (1400, 2400), (2400, len(self.data))


def in_any_order():
    for service in SINGLE:
        for order in itertools.permutations(range(3)):
            datagram = Datagram(service)
            parts = datagram.thirds()
            pieces, has_first = [], False
            for part in order:
                has_first |= part == 0
                pieces.append(datagram.forwarded(*parts[part], waits=not has_first))
            yield Scenario(f"{service.name}: pieces in the order {order}", tuple(pieces))
        datagram = Datagram(service, 4000)
        cuts = [*range(0, len(datagram.data), 400), len(datagram.data)]
        pieces = [datagram.forwarded(a, b, waits=a != 0) for a, b in reversed(list(zip(cuts, cuts[1:])))]
        yield Scenario(f"{service.name}: {len(pieces)} pieces, the last one first", tuple(pieces))


def small_ones():
    for service in SINGLE:
        header = 24 if service.protocol == "tcp" else 8
        datagram = Datagram(service, 80)
        size = len(datagram.data)
        yield Scenario(f"{service.name}: a first piece that holds little more than the transport header",
                       (datagram.forwarded(0, header), datagram.forwarded(header, size)))
        datagram = Datagram(service, 84 - (20 if service.protocol == "tcp" else 8) + 5)
        size = len(datagram.data)
        padded = datagram.forwarded(size - size % 8, size, padding=b"\xee" * 5)
        yield Scenario(f"{service.name}: a last piece of some bytes and Ethernet padding",
                       (datagram.forwarded(0, size - size % 8), padded))


def each_datagram_by_itself():
    for service in SINGLE:
        first, second = Datagram(service), Datagram(service, transport={"sport": 41000})
        mixed = zip(first.thirds(), second.thirds())
        pieces = [datagram.forwarded(*part) for parts in mixed for datagram, part in zip((first, second), parts)]
        yield Scenario(f"{service.name}: two datagrams of one client, mixed", tuple(pieces))
        source = {"src": "2001:db8:c::8" if is_v6(service) else "198.51.100.8"}
        first = Datagram(service)
        second = Datagram(service, ip=source, number=first.number)
        mixed = zip(first.thirds(), second.thirds())
        pieces = [datagram.forwarded(*part) for parts in mixed for datagram, part in zip((first, second), parts)]
        yield Scenario(f"{service.name}: one identification of two clients, mixed", tuple(pieces))
        again = Datagram(service)
        once = [again.forwarded(*part) for part in again.thirds()]
        yield Scenario(f"{service.name}: an identification that is used again", (*once, *once))
    portal, names = BY_NAME["portal"], BY_NAME["names"]
    first, second = Datagram(portal), Datagram(names)
    second.number = first.number
    pieces = [datagram.forwarded(*part) for parts in zip(first.thirds(), second.thirds())
              for datagram, part in zip((first, second), parts)]
    yield Scenario("one identification of TCP and UDP to one VIP", tuple(pieces))


def repeated_and_overlapping():
    for service in SINGLE:
        name = service.name
        d = Datagram(service)
        a, b, c = d.thirds()
        yield Scenario(f"{name}: a later piece twice",
                       (d.forwarded(*a), d.forwarded(*b), d.dropped("fragment_overlap", *b), d.forwarded(*c)))
        d = Datagram(service)
        yield Scenario(f"{name}: the first piece twice",
                       (d.forwarded(*a), d.dropped("fragment_overlap", *a), d.forwarded(*b), d.forwarded(*c)))
        d = Datagram(service)
        other = Datagram(service, transport={"sport": 41000}, number=d.number)
        yield Scenario(f"{name}: another first piece with other ports",
                       (d.forwarded(*a), other.dropped("fragment_overlap", *a), d.forwarded(*b), d.forwarded(*c)))
        d = Datagram(service)
        yield Scenario(f"{name}: a longer first piece after the first",
                       (d.forwarded(*a), d.dropped("fragment_overlap", 0, 1408), d.dropped("fragment_overlap", *b),
                        d.dropped("fragment_overlap", *c)))
        for start, end in ((1392, 2400), (64, 128), (1000, 1800)):
            d = Datagram(service)
            inside = end <= 1400
            rest = (d.forwarded(*b), d.forwarded(*c)) if inside else (
                d.dropped("fragment_overlap", *b), d.dropped("fragment_overlap", *c))
            yield Scenario(f"{name}: bytes {start} to {end} over the first piece",
                           (d.forwarded(*a), d.dropped("fragment_overlap", start, end), *rest))
        d = Datagram(service)
        yield Scenario(f"{name}: two later pieces overlap",
                       (d.forwarded(*a), d.forwarded(*b), d.dropped("fragment_overlap", 2392, len(d.data)),
                        d.dropped("fragment_overlap", *c)))
        d = Datagram(service)
        yield Scenario(f"{name}: a piece around another one",
                       (d.forwarded(*a), d.forwarded(1600, 1800), d.dropped("fragment_overlap", *b),
                        d.dropped("fragment_overlap", *c)))
        d = Datagram(service)
        yield Scenario(f"{name}: pieces that overlap before the first one has come",
                       (d.forwarded(*b, waits=True), d.dropped("fragment_overlap", 1392, 2408, waits=True),
                        d.dropped("fragment_overlap", *c, waits=True), d.forwarded(*a)))


def with_many_gaps():
    """A gap more than can be remembered is refused until another one is closed."""
    for service in SINGLE:
        d = Datagram(service, 24 * 64)
        size = 24
        spots = [(at, at + size) for at in range(0, 17 * 64, 64)]
        beyond = [(17 * 64, 17 * 64 + size), (20 * 64, 20 * 64 + size)]
        yield Scenario(f"{service.name}: more gaps than are remembered",
                       (*(d.forwarded(*spot) for spot in spots), *(d.dropped("fragment_no_room", *b) for b in beyond),
                        d.dropped("fragment_no_room", *beyond[0]), d.dropped("fragment_overlap", *spots[3]),
                        d.forwarded(size, 64), d.forwarded(*beyond[0]), d.dropped("fragment_no_room", *beyond[1])))


def contradictions():
    for service in SINGLE:
        d = Datagram(service)
        a, b, c = d.thirds()
        beyond = Piece(d.raw(3200, b"x" * 80, False), "fragment_overlap")
        yield Scenario(f"{service.name}: bytes behind the end",
                       (d.forwarded(*a), d.forwarded(*c), beyond, d.dropped("fragment_overlap", *b)))
        d = Datagram(service)
        early_end = Piece(d.raw(1400, d.data[1400:1480], False), "fragment_overlap")
        yield Scenario(f"{service.name}: an end before bytes that went by",
                       (d.forwarded(*a), d.forwarded(1600, 2400), early_end, d.dropped("fragment_overlap", *c)))


def impossible():
    for service in SINGLE:
        v6 = is_v6(service)
        d = Datagram(service)
        limit = 65535 - (0 if v6 else 20)
        bad = {
            "an empty first piece": (0, b"", True),
            "an empty later piece": (1400, b"", True),
            "an empty last piece": (1400, b"", False),
            "a first piece of 1401 bytes": (0, d.data[:1401], True),
            "a piece in the middle of 999 bytes": (1400, d.data[1400:2399], True),
            "one byte past the largest datagram": (65528, b"y" * (limit - 65528 + 1) if v6 else b"y", False),
            "a ping of death": (65528, b"y" * 1000, False),
        }
        for text, (offset, data, more) in bad.items():
            yield Scenario(f"{service.name}: {text}", (Piece(d.raw(offset, data, more), "bad_fragment"),))
        d = Datagram(service)
        at = limit - limit % 8 - 8
        frame = d.raw(at, b"z" * (limit - at), False)
        yield Scenario(f"{service.name}: a last piece that ends where the largest datagram ends",
                       (d.forwarded(0, 1400), Piece(frame, "transmit", expected(service, frame, flow=d.flow))))


def tiny():
    for service in SINGLE:
        if service.protocol == "udp":
            continue
        for size in (8, 16):
            d = Datagram(service)
            yield Scenario(f"{service.name}: a first piece with {size} bytes of TCP",
                           (d.dropped("tiny_fragment", 0, size),))
            yield Scenario(f"{service.name}: a later piece at byte {size}, inside the TCP header",
                           (d.dropped("tiny_fragment", size, 1400),))
        d = Datagram(service, transport={"options": [("NOP", None)] * 12})
        yield Scenario(f"{service.name}: a first piece that lacks TCP options", (d.dropped("tiny_fragment", 0, 24),))
        d = Datagram(service, transport={"dataofs": 4})
        yield Scenario(f"{service.name}: a first piece with data offset 4", (d.dropped("bad_header_length", 0, 1400),))


def without_a_first_one():
    for service in SINGLE:
        d = Datagram(service)
        _, b, c = d.thirds()
        yield Scenario(f"{service.name}: the first piece never comes",
                       (d.dropped("fragment", *b, waits=True), d.dropped("fragment", *c, waits=True)))
        d = Datagram(service, transport={"dport": service.port + 1})
        yield Scenario(f"{service.name}: pieces to a port without a service",
                       (d.dropped("no_service", *d.thirds()[0]), d.dropped("fragment", *d.thirds()[1], waits=True)))
        d = Datagram(service)
        icmp = 58 if is_v6(service) else 1
        yield Scenario(f"{service.name}: pieces of ICMP that nobody knows",
                       tuple(Piece(d.raw(offset, b"p" * 800, True, protocol=icmp), "icmp_type")
                             for offset in (0, 800)))


def with_other_headers():
    for service in SINGLE:
        if not is_v6(service):
            options = {"options": [IPOption_Router_Alert(), IPOption_NOP()]}
            d = Datagram(service, ip=options)
            yield Scenario(f"{service.name}: pieces with IP options", tuple(d.forwarded(*p) for p in d.thirds()))
            d = Datagram(service, ip={"flags": "DF"})
            yield Scenario(f"{service.name}: pieces with Don't Fragment", tuple(d.forwarded(*p) for p in d.thirds()))
            continue
        before = (IPv6ExtHdrHopByHop(), IPv6ExtHdrDestOpt(options=[PadN(optdata=b"\0" * 12)]))
        d = Datagram(service)
        yield Scenario(f"{service.name}: pieces behind extension headers",
                       tuple(d.forwarded(*p, before=before) for p in ((0, 1200), (1200, 2400), (2400, len(d.data)))))
        d = Datagram(service)
        inside = bytes(IPv6ExtHdrDestOpt(nh=protocol_number(service), options=[PadN(optdata=b"\0" * 4)]))
        d.data = inside + d.data
        yield Scenario(f"{service.name}: an extension header inside the pieces",
                       tuple(d.forwarded(*p, protocol=60) for p in reversed_later(d.thirds())))
        d = Datagram(service)
        d.data = inside + d.data
        yield Scenario(f"{service.name}: a first piece without all headers",
                       (Piece(d.raw(0, d.data[:8], True, protocol=60), "tiny_fragment"),))
        d = Datagram(service, 300)
        atomic = d.forwarded(0, len(d.data))
        yield Scenario(f"{service.name}: an atomic fragment, twice", (atomic, atomic))
        d = Datagram(service, 300)
        cut_off = Piece(d.raw(0, d.data[:12], False), "truncated")
        yield Scenario(f"{service.name}: an atomic fragment that is less than its header says", (cut_off,))
        d = Datagram(service, 300)
        a = d.forwarded(0, 200)
        atomic = d.forwarded(0, len(d.data))
        yield Scenario(f"{service.name}: an atomic fragment between pieces of its identification",
                       (a, atomic, d.forwarded(200, len(d.data))))


def reversed_later(parts):
    """The first part, then the others from the last one on: none of them has to wait."""
    return (parts[0], *reversed(parts[1:]))


@functools.cache  # scapy takes seconds to write them
def scenarios():
    return [scenario for make in (in_any_order, small_ones, each_datagram_by_itself, repeated_and_overlapping,
                                  with_many_gaps, contradictions, impossible, tiny, without_a_first_one,
                                  with_other_headers)
            for scenario in make()]
