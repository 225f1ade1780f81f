"""The packet table: frames, and what becomes of each.

A row is a description, a frame made by scapy, the verdict, and for what is forwarded the frame that leaves, made
by the oracle. The same rows run against dp/forward (test_table.py) and, through a capture file, against lbdp.

    rows()                    every row for the services of scene.py; each packet stands for itself, in any order
    spread_rows(ring_of)      flows over a service of several backends, with the backend of each
"""

import dataclasses
import ipaddress
import random

from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_NOP, IPOption_Router_Alert
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6, IPv6ExtHdrFragment
from scapy.layers.l2 import ARP, LLC, Dot1Q, Ether
from scapy.packet import Raw

from oracle import flow_hash, headers
from scene import (
    BY_NAME,
    CLIENT,
    CLIENT6,
    EDGE,
    ELSEWHERE,
    ROUTER_MAC,
    SEED,
    SINGLE,
    ether,
    expected,
    frame_to,
    hash_of,
    header_bytes,
    ip_to,
    is_v6,
    overhead,
    packet_to,
)


@dataclasses.dataclass(frozen=True)
class Row:
    description: str
    frame: bytes
    verdict: str  # "transmit", "kernel", "reply:KIND", or the reason of a drop as its metric names it
    output: bytes = None  # of what is transmitted, or of the reply
    service: str = None


class Table:
    """Rows in the making. flow_of(service, frame): the flow hash."""

    def __init__(self, flow_of=hash_of):
        self.rows = []
        self.flow_of = flow_of

    def forwarded(self, description, service, packet, flow=None):
        frame = packet if isinstance(packet, bytes) else bytes(packet)
        output = expected(service, frame, flow=self.flow_of(service, frame) if flow is None else flow)
        self.rows.append(Row(f"{service.name}: {description}", frame, "transmit", output, service.name))

    def dropped(self, description, reason, packet):
        self.rows.append(Row(description, packet if isinstance(packet, bytes) else bytes(packet), reason))

    def left_alone(self, description, packet):
        self.rows.append(Row(description, packet if isinstance(packet, bytes) else bytes(packet), "kernel"))


def patched(packet, **at):
    """The bytes of a packet with single bytes changed: patched(p, _14=0x45)."""
    data = bytearray(bytes(packet))
    for offset, value in at.items():
        data[int(offset[1:])] = value
    return bytes(data)


def with_right_checksum(frame):
    """An IPv4 frame whose header was changed, summed anew."""
    data = bytearray(frame)
    size = 4 * (data[14] & 0x0F)
    data[24:26] = b"\0\0"
    data[24:26] = headers.internet_checksum(bytes(data[14 : 14 + size])).to_bytes(2, "big")
    return bytes(data)


# ---- what is forwarded ----------------------------------------------------------------------------


def add_forwarded(table):
    for service in SINGLE:
        table.forwarded("first packet", service, frame_to(service))
        table.forwarded("with payload", service, frame_to(service, b"lend me a fiver " * 20))
        table.forwarded("odd length", service, frame_to(service, b"x" * 101))
        short = bytes(frame_to(service, b"abc"))
        for padding in (1, 3, 17):
            text = f"{padding} bytes of Ethernet padding are cut off, but for l2 down to 60 bytes"
            table.forwarded(text, service, short + b"\xee" * padding)
        fits = EDGE.mtu - overhead(service) - header_bytes(service)
        table.forwarded("a byte less than the MTU", service, frame_to(service, b"m" * (fits - 1)))
        table.forwarded("exactly the MTU", service, frame_to(service, b"m" * fits))
        table.forwarded(
            "padding of a frame of exactly the MTU", service, bytes(frame_to(service, b"m" * fits)) + b"\0" * 4
        )


def add_ttl(table):
    for service in SINGLE:
        field = "hlim" if is_v6(service) else "ttl"
        for ttl in (0, 1, 2, 128, 255):
            packet = frame_to(service, b"ttl", ip={field: ttl})
            if service.forwarding == "l2" or ttl > 1:  # the others: reply_rows.py
                table.forwarded(f"{field} {ttl}", service, packet)


def add_ip_fields(table):
    for service in SINGLE:
        if is_v6(service):
            table.forwarded("traffic class ef, CE", service, frame_to(service, ip={"tc": 0xBB}))
            table.forwarded("flow label 0", service, frame_to(service, ip={"fl": 0}))
            table.forwarded("flow label of ones", service, frame_to(service, ip={"fl": 0xFFFFF}))
            continue
        table.forwarded("ToS ef, CE", service, frame_to(service, ip={"tos": 0xBB}))
        table.forwarded("may be fragmented", service, frame_to(service, ip={"flags": 0}))
        table.forwarded("reserved bit", service, frame_to(service, ip={"flags": "evil"}))
        table.forwarded("identification 0", service, frame_to(service, ip={"id": 0}))
        table.forwarded("identification ffff", service, frame_to(service, ip={"id": 0xFFFF}))
        options = [IPOption_Router_Alert()]
        table.forwarded("router alert", service, frame_to(service, b"o", ip={"options": options}))
        options = [IPOption_NOP()] * 40
        table.forwarded("40 bytes of options", service, frame_to(service, b"o", ip={"options": options}))


def add_checksum_corners(table):
    """Headers whose checksum, or that of the header a hop further, is at the ends of one's complement."""
    service = BY_NAME["api"]
    corners = (b"\x00\x00", b"\x00\xff", b"\xff\xff", b"\xff\x00", b"\xfe\xff", b"\x01\x00")
    template = bytes(frame_to(service))
    found = {}
    for identification in range(0x10000):
        high, low = identification.to_bytes(2, "big")
        frame = with_right_checksum(patched(template, _18=high, _19=low))
        before, after = frame[24:26], headers.one_hop_further(4, frame[14:34])[10:12]
        for name, value in (("before", before), ("after", after)):
            if value in corners:
                found.setdefault((name, value), frame)
    for (name, corner), frame in sorted(found.items()):
        table.forwarded(f"header checksum {corner.hex()} {name} the hop", service, frame)


def add_transport(table):
    for service in SINGLE:
        if service.protocol == "udp":
            table.forwarded("UDP checksum 0", service, frame_to(service, b"u", transport={"chksum": 0}))
            table.forwarded(
                "UDP length shorter than the packet", service, frame_to(service, b"12345678", transport={"len": 8})
            )
            table.dropped(
                f"{service.name}: UDP length of one byte more",
                "truncated",
                frame_to(service, b"12345678", transport={"len": 17}),
            )
            table.dropped(
                f"{service.name}: UDP length 7",
                "bad_header_length",
                frame_to(service, b"12345678", transport={"len": 7}),
            )
            short = ip_to(service, **({"nh": 17} if is_v6(service) else {"proto": 17})) / Raw(b"\x9c\x40\x00\x35\0\0\0")
            table.dropped(f"{service.name}: 7 bytes of UDP", "truncated", ether() / short)
            continue
        for flags in ("A", "PA", "FA", "R", "SA", "SEC", "", "FPU"):
            table.forwarded(f"TCP flags {flags or 'none'}", service, frame_to(service, transport={"flags": flags}))
        options = [("MSS", 1460), ("SAckOK", b""), ("Timestamp", (1, 0)), ("NOP", None), ("WScale", 7)]
        table.forwarded("TCP options", service, frame_to(service, transport={"options": options}))
        table.forwarded(
            "60 bytes of TCP header", service, frame_to(service, transport={"options": [("NOP", None)] * 40})
        )
        wrong = frame_to(service, transport={"chksum": 1})
        table.forwarded("wrong TCP checksum, the backend's to judge", service, wrong)
        table.dropped(
            f"{service.name}: TCP data offset 4", "bad_header_length", frame_to(service, transport={"dataofs": 4})
        )
        table.dropped(
            f"{service.name}: TCP header longer than the packet",
            "truncated",
            frame_to(service, transport={"dataofs": 6}),
        )
        protocol = {"nh": 6} if is_v6(service) else {"proto": 6}
        short = ip_to(service, **protocol) / Raw(b"\x9c\x40\x01\xbb" + b"\0" * 15)
        table.dropped(f"{service.name}: 19 bytes of TCP", "truncated", ether() / short)


# ---- what is dropped ------------------------------------------------------------------------------


def add_bad_v4(table):
    service = BY_NAME["portal"]
    good = frame_to(service, b"payload")
    size = len(bytes(good))
    for length in (0, 1, 13, 14, 33):
        table.dropped(f"a frame of {length} bytes", "truncated", bytes(good)[:length])
    table.dropped("IPv4 header and nothing else", "bad_total_length", bytes(good)[:34])
    table.dropped("one byte is missing", "bad_total_length", bytes(good)[: size - 1])
    for version in (0, 5, 6, 15):
        frame = with_right_checksum(patched(good, _14=version << 4 | 5))
        table.dropped(f"version {version} in an IPv4 frame", "bad_ip_version", frame)
    for words in (0, 4):
        table.dropped(f"IPv4 header of {words} words", "bad_header_length", patched(good, _14=0x40 | words))
    table.dropped("IPv4 header longer than the packet", "bad_total_length", patched(good, _14=0x4F, _17=59))
    table.dropped("total length 19", "bad_total_length", with_right_checksum(patched(good, _17=19)))
    longer = with_right_checksum(patched(good, _17=size - 13))
    table.dropped("total length of one byte more", "bad_total_length", longer)
    table.dropped("total length 65535", "bad_total_length", with_right_checksum(patched(good, _16=255, _17=255)))
    frame = bytes(good)
    table.dropped("checksum off by one", "bad_ip_checksum", patched(good, _25=(frame[25] + 1) % 256))
    table.dropped("checksum of zeros", "bad_ip_checksum", patched(good, _24=0, _25=0))
    table.dropped("a bit of the source flipped", "bad_ip_checksum", patched(good, _26=frame[26] ^ 1))
    options = frame_to(service, ip={"options": [IPOption_NOP()] * 4})
    table.dropped("a bit of an option flipped", "bad_ip_checksum", patched(options, _34=0))
    for source in ("0.0.0.0", "0.1.2.3", "127.0.0.1", "127.255.255.255", "224.0.0.1", "239.1.1.1", "240.0.0.1"):
        table.dropped(f"source {source}", "martian_source", frame_to(service, ip={"src": source}))
    add_link_local(table, ("169.254.0.0", "169.254.255.255"), ("169.253.255.255", "169.255.0.0"))
    table.dropped("source broadcast", "martian_source", frame_to(service, ip={"src": "255.255.255.255"}))
    table.dropped("source is the VIP", "martian_source", frame_to(service, ip={"src": service.vip}))
    for source in ("1.0.0.1", "126.255.255.255", "128.0.0.1", "223.255.255.254", "10.1.2.3"):
        table.forwarded(f"source {source}", service, frame_to(service, ip={"src": source}))
    table.dropped("GRE to a VIP", "unsupported_protocol", ether() / ip_to(service, proto=47) / Raw(b"\0" * 24))
    reserved = ether() / ip_to(service, proto=255) / Raw(b"\0" * 24)
    table.dropped("protocol 255 to a VIP", "unsupported_protocol", reserved)
    table.dropped(
        "4in4 to a VIP", "unsupported_protocol", ether() / ip_to(service) / packet_to(service)
    )


def add_link_local(table, sources, others):
    """A client on the port's own link is served on that link, and not through a tunnel."""
    for service in SINGLE:
        if is_v6(service) != (":" in sources[0]) or service.allow or service.deny:
            continue
        for source in (*sources, *others):
            text = f"{service.name}: source {source}"
            if service.forwarding == "l2" or source in others:
                table.forwarded(text, service, frame_to(service, ip={"src": source}))
            else:
                table.dropped(text, "martian_source", frame_to(service, ip={"src": source}))


def add_bad_v6(table):
    service = BY_NAME["portal6"]
    good = frame_to(service, b"payload")
    size = len(bytes(good))
    table.dropped("IPv6 header less a byte", "truncated", bytes(good)[:53])
    table.dropped("IPv6: one byte is missing", "bad_total_length", bytes(good)[: size - 1])
    table.dropped("IPv6: nothing behind the header", "bad_total_length", bytes(good)[:54])
    for version in (0, 4, 7):
        table.dropped(f"version {version} in an IPv6 frame", "bad_ip_version", patched(good, _14=version << 4))
    table.dropped("payload length of one byte more", "bad_total_length", patched(good, _19=size - 53))
    table.dropped("payload length 0", "truncated", patched(good, _18=0, _19=0))
    for source in ("::", "::1", "ff02::1", "ff0e::2", "::ffff:198.51.100.7"):
        table.dropped(f"source {source}", "martian_source", frame_to(service, ip={"src": source}))
    add_link_local(table, ("fe80::1", "febf:ffff::1"), ("fe7f:ffff::1", "fec0::1"))
    table.dropped("IPv6 source is the VIP", "martian_source", frame_to(service, ip={"src": service.vip}))
    for source in ("::2", "64:ff9b::c633:6407", "fd12::1", "2002:c633:6407::1"):
        table.forwarded(f"source {source}", service, frame_to(service, ip={"src": source}))
    table.dropped("no next header", "unsupported_protocol", ether() / ip_to(service, nh=59))


def add_no_service(table):
    silent = tuple(service for service in SINGLE if service.unmatched == "drop")
    for service in silent:
        port = {"dport": service.port + 1}
        table.dropped(f"{service.name}: no such port", "no_service", frame_to(service, transport=port))
        table.dropped(f"{service.name}: port 0", "no_service", frame_to(service, transport={"dport": 0}))
    other = {"tcp": UDP, "udp": TCP}
    for service in silent:
        transport = other[service.protocol](sport=1, dport=service.port)
        table.dropped(f"{service.name}: the other protocol", "no_service", ether() / ip_to(service) / transport)


# ---- what is not ours -----------------------------------------------------------------------------


def add_left_alone(table):
    service, service6 = BY_NAME["portal"], BY_NAME["portal6"]
    table.left_alone("SSH to this host", ether() / IP(src=CLIENT, dst="10.0.0.2") / TCP(dport=22))
    table.left_alone("BGP to this host", ether() / IP(src="10.0.0.1", dst="10.0.0.2", ttl=1) / TCP(dport=179))
    table.left_alone("ICMP to this host", ether() / IP(src=CLIENT, dst="10.0.0.2") / ICMP() / b"ping")
    table.left_alone("ICMPv6 to this host", ether() / IPv6(src=CLIENT6, dst="fd00::2") / ICMPv6EchoRequest())
    table.left_alone("a neighbor of a VIP", frame_to(service, ip={"dst": "203.0.113.9"}))
    table.left_alone("a v6 neighbor of a VIP", frame_to(service6, ip={"dst": "2001:db8::1:10"}))
    table.left_alone("from a VIP to elsewhere", ether() / IP(src=service.vip, dst=CLIENT) / TCP(sport=443))
    table.left_alone("broadcast", ether(dst="ff:ff:ff:ff:ff:ff") / IP(src="10.0.0.9", dst="255.255.255.255") / UDP())
    table.left_alone("multicast, OSPF", ether() / IP(src="10.0.0.9", dst="224.0.0.5", proto=89) / Raw(b"\0" * 44))
    table.left_alone("ARP for this host", ether() / ARP(pdst="10.0.0.2"))
    table.left_alone("VLAN tag", ether() / Dot1Q(vlan=7) / packet_to(service))
    table.left_alone("spanning tree", Ether(dst="01:80:c2:00:00:00", src=ROUTER_MAC, type=38) / LLC() / Raw(b"\0" * 35))
    table.left_alone("LLDP", Ether(dst="01:80:c2:00:00:0e", src=ROUTER_MAC, type=0x88CC) / Raw(b"\x02\x07\x04" * 9))
    table.left_alone("an Ethernet header alone, of another type", bytes(ether(type=0x9000)))
    elsewhere = frame_to(service, b"x" * 40, ip={"dst": "10.0.0.2"})
    table.left_alone("wrong checksum, not for a VIP", patched(elsewhere, _25=bytes(elsewhere)[25] ^ 1))
    table.left_alone("lying length, not for a VIP", patched(elsewhere, _16=9))
    table.left_alone("wrong version, not for a VIP", patched(elsewhere, _14=0x75))
    table.left_alone("half a packet, not for a VIP", bytes(elsewhere)[:50])
    table.left_alone("fragment, not for a VIP", frame_to(service, ip={"dst": "10.0.0.2", "flags": "MF"}))
    table.left_alone("larger than the MTU, not for a VIP", frame_to(service, b"x" * 3000, ip={"dst": "10.0.0.2"}))
    table.left_alone("martian, not for a VIP", ether() / IP(src="127.0.0.1", dst="10.0.0.2") / TCP())
    table.left_alone("padding is kept", bytes(ether() / IP(src=CLIENT, dst="10.0.0.2") / TCP()) + b"\xee" * 6)
    mapped = "::ffff:" + service.vip
    table.left_alone("v4-mapped VIP in IPv6", frame_to(service6, ip={"dst": mapped}))
    elsewhere6 = frame_to(service6, b"x" * 40, ip={"dst": "fd00::2"})
    table.left_alone("IPv6 lying length, not for a VIP", patched(elsewhere6, _18=9))
    fragment = IPv6(src=CLIENT6, dst="fd00::2") / IPv6ExtHdrFragment(m=1) / TCP()
    table.left_alone("IPv6 fragment, not for a VIP", ether() / fragment)


def add_addressed_elsewhere(table):
    """Whatever is in a frame that is not addressed to the port, sound or broken."""
    for service in SINGLE:
        for name, mac in ELSEWHERE.items():
            frame = ether(dst=mac) / packet_to(service, b"not for this balancer")
            table.left_alone(f"{service.name}: addressed to {name}", frame)
    service, service6 = BY_NAME["portal"], BY_NAME["portal6"]
    other = {"dst": ELSEWHERE["another host"]}
    for packet, text in ((packet_to(service), ""), (packet_to(service6), "IPv6, ")):
        frame = bytes(ether(**other) / packet)
        table.left_alone(f"{text}addressed to another host, a byte is missing", frame[:-1])
        table.left_alone(f"{text}addressed to another host, cut in the IP header", frame[:30])
        table.dropped(f"{text}addressed to another host, cut in the Ethernet header", "truncated", frame[:13])
    table.left_alone("addressed to another host, wrong checksum", patched(ether(**other) / packet_to(service), _25=1))
    table.left_alone("addressed to another host, no such port",
                     ether(**other) / packet_to(service, transport={"dport": service.port + 1}))
    table.left_alone("addressed to another host, fragment", ether(**other) / packet_to(service, ip={"flags": "MF"}))
    for sender in ("02:00:00:00:00:01", "ff:ff:ff:ff:ff:ff"):
        table.forwarded(f"addressed to the port, from {sender}", service, ether(src=sender) / packet_to(service))


def rows():
    import extensions  # its rows are made with this module's functions

    table = Table()
    for add in (
        add_forwarded,
        add_ttl,
        add_ip_fields,
        add_checksum_corners,
        add_transport,
        add_bad_v4,
        add_bad_v6,
        extensions.add_extension_headers,
        extensions.add_ip_options,
        add_no_service,
        add_left_alone,
        add_addressed_elsewhere,
    ):
        add(table)
    return table.rows


# ---- where flows go -------------------------------------------------------------------------------


def spread_rows(service, ring, flows=500, seed=SEED, prefix=None):
    """Flows of a service of several backends. ring: the number of the backend of each slot."""
    table = Table()
    numbers = random.Random(service.name)
    protocol = {"tcp": 6, "udp": 17}[service.protocol]
    for flow in range(flows):
        if is_v6(service):
            source = str(ipaddress.IPv6Address(0x20010DB8 << 96 | numbers.getrandbits(90)))
        else:
            source = str(ipaddress.IPv4Address(numbers.randrange(1 << 24, 127 << 24)))
        port = numbers.randrange(1 << 16)
        frame = bytes(frame_to(service, ip={"src": source}, transport={"sport": port}))
        value = flow_hash.flow_hash(seed, source, service.vip, port, service.port, protocol)
        backend = service.backends[ring[flow_hash.ring_slot(value, len(ring))]]
        output = expected(service, frame, backend, prefix=prefix)
        description = f"{service.name}: flow {flow} to {backend.name}"
        table.rows.append(Row(description, frame, "transmit", output, service.name))
    return table.rows
