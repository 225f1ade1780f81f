"""Rows of the packet table: what the balancer answers by itself.

A row's verdict is "reply:" and the kind as its metric names it; its output comes from the oracle.
"""

from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_NOP, IPOption_RR
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrHopByHop, PadN
from scapy.packet import Raw

import scene
import table
from oracle import replies

OTHER_MAC = "02:00:00:00:00:55"


def answered(rows, description, kind, frame, output):
    rows.rows.append(table.Row(description, bytes(frame), f"reply:{kind}", output))


def _without(frame, **fields):
    """The same from another place on the Ethernet."""
    frame = frame.copy()
    for name, value in fields.items():
        setattr(frame, name, value)
    return bytes(frame)


# ---- too big --------------------------------------------------------------------------------------


def too_big_reply(service, frame):
    mtu = scene.EDGE.mtu - scene.overhead(service)
    kind = (2, 0) if scene.is_v6(service) else (3, 4)
    return replies.icmp_error(bytes(frame), *kind, rest=mtu)


def add_too_big(rows):
    for service in scene.SINGLE:
        fits = scene.EDGE.mtu - scene.overhead(service) - scene.header_bytes(service)
        for more in (1, 2, 21, 41, 480):
            frame = scene.frame_to(service, b"m" * (fits + more))
            text = f"{service.name}: {more} bytes over the MTU"
            answered(rows, text, "too_big", frame, too_big_reply(service, frame))
        frame = scene.frame_to(service, b"m" * (fits + 1))
        padded = bytes(frame) + b"\xee" * 8
        output = too_big_reply(service, padded)
        answered(rows, f"{service.name}: over the MTU, with padding", "too_big", padded, output)
        for name, mac in scene.ELSEWHERE.items():
            rows.left_alone(f"{service.name}: over the MTU, addressed to {name}", _without(frame, dst=mac))
        if scene.is_v6(service):
            behind = scene.transport_to(service) / Raw(b"m" * (fits - 7))
            longer = scene.ether() / scene.ip_to(service) / IPv6ExtHdrHopByHop() / behind
            text = f"{service.name}: over the MTU by its extension header"
            answered(rows, text, "too_big", longer, too_big_reply(service, longer))
            continue
        options = scene.frame_to(service, b"m" * fits, ip={"options": [IPOption_NOP()] * 4})
        text = f"{service.name}: over the MTU by its options"
        answered(rows, text, "too_big", options, too_big_reply(service, options))


# ---- the hop --------------------------------------------------------------------------------------


def add_ttl(rows):
    for service in scene.SINGLE:
        if service.forwarding == "l2":
            continue
        v6 = scene.is_v6(service)
        field, own = ("hlim", scene.EDGE.tunnel_source_v6) if v6 else ("ttl", scene.EDGE.tunnel_source_v4)
        for ttl in (0, 1):
            for size in (0, 3, 700, 1300):
                frame = scene.frame_to(service, b"t" * size, ip={field: ttl})
                output = replies.icmp_error(bytes(frame), 3 if v6 else 11, 0, source=own)
                text = f"{service.name}: {field} {ttl}, {size} bytes"
                answered(rows, text, "time_exceeded", frame, output)
        # The hop comes first: a packet that may go no further needs no MTU.
        big = scene.frame_to(service, b"t" * 1480, ip={field: 1})
        output = replies.icmp_error(bytes(big), 3 if v6 else 11, 0, source=own)
        answered(rows, f"{service.name}: {field} 1 and too big", "time_exceeded", big, output)
        flooded = _without(scene.frame_to(service, ip={field: 1}), dst=OTHER_MAC)
        rows.left_alone(f"{service.name}: {field} 1, addressed to another host", flooded)


# ---- ping -----------------------------------------------------------------------------------------


def ping(vip, payload=b"", ip=None, icmp=None):
    if ":" in vip:
        request = ICMPv6EchoRequest(**{"id": 0x1234, "seq": 7, "data": payload, **(icmp or {})})
        return scene.ether() / IPv6(**{"src": scene.CLIENT6, "dst": vip, "hlim": 57, **(ip or {})}) / request
    header = IP(**{"src": scene.CLIENT, "dst": vip, "ttl": 57, "id": 99, **(ip or {})})
    return scene.ether() / header / ICMP(**{"type": 8, "id": 0x1234, "seq": 7, **(icmp or {})}) / Raw(payload)


PINGED = ("203.0.113.10", "203.0.113.11", "2001:db8::10", "2001:db8::11")


def add_echo(rows):
    for vip in PINGED:
        v6 = ":" in vip
        head = 40 if v6 else 20
        for size in (*range(18), 55, 56, 57, 1023, 1451, 1452):
            frame = bytes(ping(vip, (bytes(range(256)) * 6)[:size]))
            answered(rows, f"ping {vip}, {size} bytes", "echo", frame, replies.echo_reply(frame, head))
        for byte in (0x00, 0xFF):
            frame = bytes(ping(vip, bytes([byte]) * 64))
            answered(rows, f"ping {vip}, all {byte:02x}", "echo", frame, replies.echo_reply(frame, head))
        padded = bytes(ping(vip, b"x")) + b"\xee" * 21
        answered(rows, f"ping {vip} in a padded frame", "echo", padded, replies.echo_reply(padded, head))
        tos = bytes(ping(vip, b"tos", ip={"tc" if v6 else "tos": 0xB9}))
        answered(rows, f"ping {vip}, ToS b9", "echo", tos, replies.echo_reply(tos, head))
        last = bytes(ping(vip, b"ttl", ip={"hlim" if v6 else "ttl": 1}))
        answered(rows, f"ping {vip}, TTL 1: it has arrived", "echo", last, replies.echo_reply(last, head))
        good = bytes(ping(vip, b"payload"))
        for offset in (14 + head + 2, 14 + head + 4, len(good) - 1):
            bad = bytearray(good)
            bad[offset] ^= 0x10
            rows.dropped(f"ping {vip}, a bit of byte {offset} flipped", "bad_icmp_checksum", bytes(bad))
        flooded = _without(ping(vip), dst=OTHER_MAC)
        rows.left_alone(f"ping {vip}, addressed to another host", flooded)
        martian = ping(vip, ip={"src": "ff02::5" if v6 else "224.0.0.5"})
        rows.dropped(f"ping {vip} from a group", "martian_source", martian)
    add_echo_corners(rows)
    add_echo_behind_extension_headers(rows)
    options = bytes(ping(PINGED[0], b"opt", ip={"options": [IPOption_RR(routers=["0.0.0.0"])]}))
    answered(rows, "ping with record route", "echo", options, replies.echo_reply(options, 4 * (options[14] & 15)))
    for vip in ("203.0.113.13", "2001:db8::13"):
        rows.dropped(f"ping {vip}, which never answers", "echo_refused", ping(vip, b"hello"))


def add_echo_behind_extension_headers(rows):
    """The reply has none of them."""
    options = IPv6ExtHdrDestOpt(options=[PadN(optdata=b"\0" * 12)])
    for name, chain in (("hop by hop", (IPv6ExtHdrHopByHop(),)), ("both kinds", (IPv6ExtHdrHopByHop(), options))):
        for vip in PINGED[2:]:
            for size in (0, 1, 57, 1200):
                request = ping(vip, b"e" * size)
                message = request[ICMPv6EchoRequest]
                header = IPv6(src=scene.CLIENT6, dst=vip, hlim=57)
                for one in chain:
                    header = header / one.copy()
                header.lastlayer().nh = 58
                frame = bytes(scene.ether() / header / Raw(bytes(request)[-len(bytes(message)):]))
                head = len(bytes(header))
                text = f"ping {vip} behind {name}, {size} bytes"
                answered(rows, text, "echo", frame, replies.echo_reply(frame, head))
                bad = frame[:-1] + bytes([frame[-1] ^ 1])
                rows.dropped(f"{text}, a bit flipped", "bad_icmp_checksum", bad)
        chain_to_silent = scene.ether() / IPv6(src=scene.CLIENT6, dst="2001:db8::13") / chain[0].copy()
        rows.dropped(f"ping behind {name}, which is never answered", "echo_refused",
                     chain_to_silent / ICMPv6EchoRequest(id=1, seq=1, data=b"hello"))


def add_echo_corners(rows):
    """Checksums at the ends of one's complement: the request's, or the reply's, is 0000, ffff or close to it."""
    for vip, head in ((PINGED[0], 20), (PINGED[2], 40)):
        wanted = {b"\0\0", b"\xff\xff", b"\xff\xfe", b"\0\x01", b"\x08\0", b"\xf7\xff", b"\x01\0", b"\x00\xff"}
        found = {}
        template = bytes(ping(vip, b"corner"))
        for sequence in range(0x10000):
            # The sum moves with the sequence number, so all checksums come by; made by hand, as scapy is slow.
            frame = sequenced(template, vip, head, sequence)
            before = frame[14 + head + 2 : 14 + head + 4]
            if before in wanted:
                found.setdefault(("request", before), frame)
            after = ((int.from_bytes(before, "big") + 0x0800 - 1) % 0xFFFF + 1).to_bytes(2, "big")
            if ":" not in vip and after in wanted:
                found.setdefault(("reply", after), frame)
        for (which, checksum), frame in sorted(found.items()):
            text = f"ping {vip}, checksum {checksum.hex()} of the {which}"
            answered(rows, text, "echo", frame, replies.echo_reply(frame, head))


def sequenced(template, vip, head, sequence):
    """A ping with this sequence number and its right checksum."""
    frame = bytearray(template)
    frame[14 + head + 6 : 14 + head + 8] = sequence.to_bytes(2, "big")
    frame[14 + head + 2 : 14 + head + 4] = b"\0\0"
    message = bytes(frame[14 + head :])
    if head == 40:
        checksum = replies.headers.v6_checksum(scene.CLIENT6, vip, replies.ICMPV6, message)
    else:
        checksum = replies.headers.internet_checksum(message)
    frame[14 + head + 2 : 14 + head + 4] = checksum.to_bytes(2, "big")
    return bytes(frame)


# ---- refused aloud --------------------------------------------------------------------------------

REJECTING = tuple(service for service in scene.SINGLE if service.unmatched == "reject")


def add_reject(rows):
    for service in REJECTING:
        v6 = scene.is_v6(service)
        head = 40 if v6 else 20
        for flags in ("S", "A", "SA", "FA", "F", "PA", "", "SF", "FPU", "SEC"):
            for seq, ack, size in ((0, 0, 0), (0xFFFFFFFF, 0x80000001, 0), (0xFFFFFFF0, 77, 33)):
                tcp = {"flags": flags, "seq": seq, "ack": ack, "dport": 81}
                frame = bytes(scene.ether() / scene.ip_to(service) / TCP(sport=40000, **tcp) / Raw(b"r" * size))
                text = f"{service.name}: {flags or 'no flags'} to a closed port, seq {seq}, {size} bytes"
                answered(rows, text, "reset", frame, replies.reset(frame, head))
        options = TCP(sport=1, dport=81, flags="S", seq=9, options=[("MSS", 1460), ("SAckOK", b"")])
        frame = bytes(scene.ether() / scene.ip_to(service) / options / b"tfo")
        answered(rows, f"{service.name}: SYN with options and data", "reset", frame, replies.reset(frame, head))
        for flags in ("R", "RA", "SR"):
            frame = scene.ether() / scene.ip_to(service) / TCP(sport=1, dport=81, flags=flags)
            rows.dropped(f"{service.name}: {flags} to a closed port gets no reset", "no_service", frame)
        unreachable = (1, 4) if v6 else (3, 3)
        for size in (0, 1, 8, 528, 1200, 1400):
            frame = bytes(scene.ether() / scene.ip_to(service) / UDP(sport=40000, dport=81) / Raw(b"u" * size))
            output = replies.icmp_error(frame, *unreachable)
            answered(rows, f"{service.name}: {size} bytes to a closed UDP port", "port_unreachable", frame, output)
        for name, segment in (("TCP", TCP(dport=81, chksum=1)), ("UDP", UDP(dport=81, chksum=1))):
            frame = scene.ether() / scene.ip_to(service) / segment / b"wrong"
            rows.dropped(f"{service.name}: wrong {name} checksum, unanswered", "no_service", frame)
        flooded = _without(scene.ether() / scene.ip_to(service) / TCP(dport=81), dst=OTHER_MAC)
        rows.left_alone(f"{service.name}: closed port, addressed to another host", flooded)
        none = bytes(scene.ether() / scene.ip_to(service) / UDP(sport=40000, dport=81, chksum=0) / b"none")
        if v6:
            rows.dropped(f"{service.name}: no UDP checksum", "no_service", none)
        else:
            output = replies.icmp_error(none, *unreachable)
            answered(rows, f"{service.name}: no UDP checksum", "port_unreachable", none, output)


def rows():
    result = table.Table()
    for add in (add_too_big, add_ttl, add_echo, add_reject):
        add(result)
    return result.rows
