"""Rows of the packet table: ICMP and ICMPv6 for a VIP, errors about flows above all.

The quoted packet is what the backend sent: from the VIP to the client.
"""

import struct

from scapy.layers.inet import ICMP, IP, TCP, UDP, ICMPerror, IPerror, IPOption_NOP
from scapy.layers.inet6 import (
    ICMPv6DestUnreach,
    ICMPv6PacketTooBig,
    ICMPv6ParamProblem,
    ICMPv6TimeExceeded,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
)
from scapy.packet import Raw

import scene
import table
from oracle import headers

ROUTER, ROUTER6 = "192.0.2.77", "2001:db8:ffff::77"
ICMPV6 = 58


def sent_by(service, payload=b"", ip=None, transport=None):
    """A packet of the backend to its client."""
    ports = {"sport": service.port, "dport": 40000}
    if service.protocol == "tcp":
        segment = TCP(**{**ports, "flags": "A", "seq": 12345, **(transport or {})})
    else:
        segment = UDP(**{**ports, **(transport or {})})
    if scene.is_v6(service):
        header = IPv6(**{"src": service.vip, "dst": scene.CLIENT6, "hlim": 60, **(ip or {})})
    else:
        header = IP(**{"src": service.vip, "dst": scene.CLIENT, "ttl": 60, "flags": "DF", **(ip or {})})
    return header / segment / Raw(payload)


def icmp4(kind, code, rest, quote):
    """An ICMP message's bytes, with the right checksum."""
    head = struct.pack(">BBHI", kind, code, 0, rest)
    checksum = headers.internet_checksum(head + quote)
    return struct.pack(">BBHI", kind, code, checksum, rest) + quote


def icmp6(kind, code, rest, quote, source, destination):
    """The same for ICMPv6: RFC 4443, 2.3 sums the pseudo-header of RFC 8200, 8.1 too."""
    head = struct.pack(">BBHI", kind, code, 0, rest)
    checksum = headers.v6_checksum(source, destination, ICMPV6, head + quote)
    return struct.pack(">BBHI", kind, code, checksum, rest) + quote


def error_to(service, kind, code, rest=0, quote=None, ip=None):
    """The frame of an ICMP error from a router on the way back to the client."""
    quote = bytes(sent_by(service)) if quote is None else quote
    if scene.is_v6(service):
        message = icmp6(kind, code, rest, quote, ROUTER6, service.vip)
        header = IPv6(**{"src": ROUTER6, "dst": service.vip, "hlim": 57, "nh": ICMPV6, **(ip or {})})
    else:
        message = icmp4(kind, code, rest, quote)
        header = IP(**{"src": ROUTER, "dst": service.vip, "ttl": 57, "proto": 1, **(ip or {})})
    return scene.ether() / header / Raw(message)


def too_big(service, **fields):
    kind = (2, 0) if scene.is_v6(service) else (3, 4)
    return error_to(service, *kind, rest=1400, **fields)


# ---- forwarded ------------------------------------------------------------------------------------


def add_kinds(rows):
    for service in scene.SINGLE:
        if scene.is_v6(service):
            for kind, codes in ((1, range(8)), (2, (0,)), (3, (0, 1)), (4, (0, 1, 2))):
                for code in codes:
                    rows.forwarded(f"ICMPv6 error {kind}/{code}", service, error_to(service, kind, code, rest=1400))
            for kind in (0, 5, 100, 127):
                rows.forwarded(f"ICMPv6 error of unknown type {kind}", service, error_to(service, kind, 0))
            continue
        for kind, codes in ((3, range(16)), (11, (0, 1)), (12, (0, 1, 2))):
            for code in codes:
                rows.forwarded(f"ICMP error {kind}/{code}", service, error_to(service, kind, code, rest=1400))


def add_behind_extension_headers(rows):
    headers_before = {
        "hop by hop": (IPv6ExtHdrHopByHop(),),
        "destination options": (IPv6ExtHdrDestOpt(),),
        "hop by hop, then 6 others": (IPv6ExtHdrHopByHop(), *(IPv6ExtHdrDestOpt(),) * 6),
    }
    for service in scene.SINGLE:
        if not scene.is_v6(service):
            continue
        quote = bytes(sent_by(service))
        for name, chain in headers_before.items():
            for kind in (1, 2, 3, 127):
                header = IPv6(src=ROUTER6, dst=service.vip, hlim=57)
                for one in chain:
                    header = header / one.copy()
                header.lastlayer().nh = ICMPV6
                message = icmp6(kind, 0, 1400, quote, ROUTER6, service.vip)
                text = f"ICMPv6 error {kind} behind {name}"
                rows.forwarded(text, service, scene.ether() / header / Raw(message))
                bad = message[:-1] + bytes([message[-1] ^ 1])
                rows.dropped(f"{service.name}: {text}, a bit flipped", "bad_icmp_checksum",
                             scene.ether() / header / Raw(bad))


def add_by_scapy(rows):
    """The same made by scapy from end to end."""
    for service in scene.SINGLE:
        quoted = sent_by(service, b"q" * 40)
        if scene.is_v6(service):
            header = IPv6(src=ROUTER6, dst=service.vip, hlim=57)
            for message in (
                ICMPv6DestUnreach(code=4), ICMPv6PacketTooBig(mtu=1280), ICMPv6TimeExceeded(), ICMPv6ParamProblem(),
            ):
                rows.forwarded(f"scapy's {message.name}", service, scene.ether() / header / message / quoted)
            continue
        header = IP(src=ROUTER, dst=service.vip, ttl=57)
        quoted = IPerror(bytes(quoted))
        for message in (ICMP(type=3, code=4, nexthopmtu=1300), ICMP(type=11), ICMP(type=12, ptr=1)):
            rows.forwarded(f"scapy's {message.summary()}", service, scene.ether() / header / message / quoted)
    assert ICMPerror  # scapy reads the quotes of these by it


def add_quotes(rows):
    for service in scene.SINGLE:
        head = 40 if scene.is_v6(service) else 20
        whole = bytes(sent_by(service, b"p" * 600))
        for size in (8, 9, 12, 16, 20, 31, 100, 528):
            quote = whole[: head + size]
            rows.forwarded(f"quote of {size} bytes behind the IP header", service, too_big(service, quote=quote))
        rows.forwarded("a whole packet quoted", service, too_big(service, quote=bytes(sent_by(service))))
        padded = bytes(too_big(service, quote=whole[: head + 8])) + b"\xee" * 7
        rows.forwarded("Ethernet padding behind a short error", service, padded)
        if scene.is_v6(service):
            add_quotes_v6(rows, service)
            continue
        for options in (4, 8, 40):
            quote = bytes(sent_by(service, ip={"options": [IPOption_NOP()] * options}))
            words = quote[0] & 0x0F
            rows.forwarded(f"quoted header of {words} words", service, too_big(service, quote=quote[: 4 * words + 8]))
        lying = bytearray(whole[:28])
        lying[2:4], lying[8], lying[10:12] = b"\0\0", 0, b"\xff\xff"
        rows.forwarded("quote whose length, TTL and checksum are wrong", service, too_big(service, quote=bytes(lying)))
        first = bytes(sent_by(service, b"f" * 64, ip={"flags": "MF"}))
        rows.forwarded("quote of a first fragment", service, too_big(service, quote=first[:28]))
        extended = whole[:148] + b"\x20\0\0\0" + b"\0\x08\x01\x01" + b"mpls"
        rows.forwarded("quote with extensions behind it (RFC 4884)", service, error_to(service, 11, 0, quote=extended))
        rows.forwarded("error with IP options", service, too_big(service, ip={"options": [IPOption_NOP()] * 4}))


def add_quotes_v6(rows, service):
    inner = sent_by(service)
    segment = inner.payload
    header = IPv6(src=service.vip, dst=scene.CLIENT6)
    chains = {
        "hop by hop": IPv6ExtHdrHopByHop(),
        "destination options": IPv6ExtHdrDestOpt(),
        "routing": IPv6ExtHdrRouting(addresses=["2001:db8::9"]),
        "a first fragment": IPv6ExtHdrFragment(offset=0, m=1, id=7),
        "an atomic fragment": IPv6ExtHdrFragment(offset=0, m=0, id=7),
        "three of them": IPv6ExtHdrHopByHop() / IPv6ExtHdrRouting(addresses=["::9"]) / IPv6ExtHdrDestOpt(),
    }
    for name, chain in chains.items():
        whole = bytes(header / chain / segment)
        size = len(bytes(header / chain)) + 8
        rows.forwarded(f"quote with {name}", service, too_big(service, quote=whole[:size]))


def add_hop(rows):
    """An error is a packet like others: TTL, MTU and ToS."""
    for service in scene.SINGLE:
        field, tos = ("hlim", "tc") if scene.is_v6(service) else ("ttl", "tos")
        rows.forwarded("error with ToS c0", service, too_big(service, ip={tos: 0xC0}))
        frame = too_big(service, ip={field: 1})
        if service.forwarding == "l2":
            rows.forwarded(f"error with {field} 1", service, frame)
        else:
            rows.dropped(f"{service.name}: error with {field} 1, unanswered", "ttl_expired", frame)
        size = scene.EDGE.mtu - scene.overhead(service) - (48 if scene.is_v6(service) else 28) + 1
        big = bytes(sent_by(service, b"b" * 2000))[:size]
        frame = too_big(service, quote=big, ip={} if scene.is_v6(service) else {"flags": "DF"})
        rows.dropped(f"{service.name}: error larger than the MTU, unanswered", "too_big", frame)


# ---- dropped --------------------------------------------------------------------------------------


def add_bad_quotes(rows):
    for service in scene.SINGLE:
        head = 40 if scene.is_v6(service) else 20
        whole = bytes(sent_by(service, b"p" * 60))

        def bad(text, quote, reason="bad_icmp_quote", service=service):
            rows.dropped(f"{service.name}: {text}", reason, too_big(service, quote=quote))

        for size in (0, 1, head - 1, head, head + 7):
            bad(f"error that quotes {size} bytes", whole[:size])
        bad("quote of a packet to the VIP", bytes(scene.packet_to(service)))
        other = "2001:db8::99" if scene.is_v6(service) else "203.0.113.99"
        bad("quote of another source", bytes(sent_by(service, ip={"src": other})))
        bad("quote of the other family's version", bytes([whole[0] ^ 0x20]) + whole[1:])
        bad("quote from no such port", bytes(sent_by(service, transport={"sport": 1})), "no_service")
        protocol = {"nh": 47} if scene.is_v6(service) else {"proto": 47}
        bad("quote of GRE", bytes(sent_by(service, ip=protocol)))
        if scene.is_v6(service):
            segment, header = sent_by(service).payload, IPv6(src=service.vip, dst=scene.CLIENT6)
            bad("quote of a later fragment", bytes(header / IPv6ExtHdrFragment(offset=1, m=0, id=7) / segment))
            chain = bytes(header / IPv6ExtHdrDestOpt() / segment)
            for size in (40, 41, 42, 47, 48, 55):
                bad(f"quote with an extension header, {size} bytes", chain[:size])
            long = header / IPv6ExtHdrDestOpt()
            for _ in range(8):
                long = long / IPv6ExtHdrDestOpt()
            bad("quote with nine extension headers", bytes(long / segment))
            bad("quote with an extension header that lies", chain[:41] + b"\xff" + chain[42:])
            mapped = bytes(sent_by(service, ip={"dst": "::ffff:198.51.100.7"}))
            bad("quote to a v4-mapped client", mapped)
            continue
        bad("quote of a later fragment", bytes(sent_by(service, ip={"frag": 1})))
        bad("quote with a header of 4 words", b"\x44" + whole[1:])
        bad("quote with a header longer than the quote", b"\x4f" + whole[1:40])


def add_bad_messages(rows):
    for service in scene.SINGLE:
        good = bytes(too_big(service))
        start = 14 + (40 if scene.is_v6(service) else 20)
        for name, offset in (("type", start + 1), ("checksum", start + 2), ("quote", len(good) - 1)):
            frame = bytearray(good)
            frame[offset] ^= 0x01
            rows.dropped(f"{service.name}: a bit of the {name} flipped", "bad_icmp_checksum", bytes(frame))
        protocol = {"nh": ICMPV6} if scene.is_v6(service) else {"proto": 1}
        for size in (0, 4, 7):
            frame = scene.ether() / scene.ip_to(service, **protocol) / Raw(b"\3\4\0\0\0\0\0"[:size])
            rows.dropped(f"{service.name}: {size} bytes of ICMP", "truncated", frame)
        kinds = (129, 133, 136, 137, 200, 255) if scene.is_v6(service) else (0, 4, 5, 9, 10, 13, 17, 255)
        for kind in kinds:
            rows.dropped(f"{service.name}: ICMP type {kind}", "icmp_type", error_to(service, kind, 0))
        martian = {"src": "ff02::1" if scene.is_v6(service) else "224.0.0.1"}
        rows.dropped(f"{service.name}: error of a martian", "martian_source", too_big(service, ip=martian))
    # The same number means something else in the other family.
    portal, portal6 = scene.BY_NAME["portal"], scene.BY_NAME["portal6"]
    rows.dropped(
        "ICMP in IPv6", "unsupported_protocol",
        scene.ether() / scene.ip_to(portal6, nh=1) / Raw(icmp4(3, 4, 0, bytes(sent_by(portal6)))),
    )
    rows.dropped(
        "ICMPv6 in IPv4", "unsupported_protocol",
        scene.ether() / scene.ip_to(portal, proto=58) / Raw(icmp4(1, 0, 0, bytes(sent_by(portal)))),
    )


def rows():
    result = table.Table(flow_of=lambda service, _: scene.usual_hash(service))  # that of the quoted flow
    for add in (add_kinds, add_behind_extension_headers, add_by_scapy, add_quotes, add_hop, add_bad_quotes,
                add_bad_messages):
        add(result)
    return result.rows
