"""The packet table: frames, and what becomes of each.

A row is a description, a frame made by scapy, the verdict, and for what is forwarded the frame that leaves, made
by the oracle (tests/oracle). The same rows run against dp/forward (test_table.py) and, through a capture file,
against lbdp; so they speak of configuration, not of the engine's tables.

    SERVICES, EDGE            the configuration that the rows are written for
    rows()                    every row; each packet stands for itself, in any order
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

SEED = 0x0123456789ABCDEF


@dataclasses.dataclass(frozen=True)
class Backend:
    name: str
    address: str
    mac: str


@dataclasses.dataclass(frozen=True)
class Service:
    name: str
    vip: str
    port: int
    protocol: str
    forwarding: str
    backends: tuple
    icmp_echo: str = "when-up"
    unmatched: str = "drop"
    last_port: int = 0  # of a range, where `port` is the first; port 0 is any
    hash: str = "5tuple"
    source_prefix: int = None
    allow: tuple = ()
    deny: tuple = ()


@dataclasses.dataclass(frozen=True)
class Port:
    mac: str
    mtu: int
    tunnel_source_v4: str
    tunnel_source_v6: str


@dataclasses.dataclass(frozen=True)
class Row:
    description: str
    frame: bytes
    verdict: str  # "transmit", "kernel", "reply:KIND", or the reason of a drop as its metric names it
    output: bytes = None  # of what is transmitted, or of the reply
    service: str = None


EDGE = Port("02:00:00:00:00:01", 1500, "10.0.0.2", "fd00::2")
ROUTER_MAC = "02:00:00:00:00:fe"
CLIENT, CLIENT6 = "198.51.100.7", "2001:db8:c::7"


def _one(number, v6=False):
    """One backend, so that a row needs no hash to know where it goes."""
    address = f"fd00:4::{number:x}" if v6 else f"10.0.4.{number}"
    return (Backend(f"app-{number}", address, f"02:00:00:00:04:{number:02x}"),)


SERVICES = (
    Service("portal", "203.0.113.10", 443, "tcp", "l2", _one(1)),
    Service("api", "203.0.113.11", 443, "tcp", "ipip", _one(2)),
    Service("names", "203.0.113.10", 53, "udp", "l2", _one(3)),
    Service("notify", "203.0.113.11", 514, "udp", "ipip", _one(4)),
    Service("portal6", "2001:db8::10", 443, "tcp", "l2", _one(5, v6=True)),
    Service("api6", "2001:db8::11", 443, "tcp", "ipip", _one(6, v6=True)),
    Service("names6", "2001:db8::10", 53, "udp", "l2", _one(7, v6=True)),
    Service("notify6", "2001:db8::11", 514, "udp", "ipip", _one(8, v6=True)),
    # Every tunnel between every two families that "api" and "notify" do not have already.
    *(
        Service(f"{mode}-{inner}in{outer}-{protocol}", f"203.0.113.{20 + number}" if inner == 4 else
                f"2001:db8::{20 + number}", 8000 + number, protocol, mode, _one(40 + number, v6=outer == 6))
        for number, (mode, inner, outer, protocol) in enumerate(
            (mode, inner, outer, protocol)
            for mode in ("ipip", "gre", "gue") for inner in (4, 6) for outer in (4, 6) for protocol in ("tcp", "udp")
            if mode != "ipip" or inner != outer
        )
    ),
    Service("credit", "203.0.113.12", 8443, "tcp", "ipip", _one(20) + _one(21) + _one(22)),
    Service("credit6", "2001:db8::12", 8443, "udp", "l2", _one(23, True) + _one(24, True) + _one(25, True)),
    Service("quiet", "203.0.113.13", 8080, "tcp", "l2", _one(30), "never", "reject"),
    # Every row's usual client is allowed; limit_rows.py has those that are not.
    Service("guarded", "203.0.113.14", 8081, "tcp", "l2", _one(32),
            allow=("198.51.100.0/24", "192.0.2.80/28", "2001:db8::/32"),
            deny=("198.51.100.128/25", "198.51.100.64/30", "192.0.2.0/24", "192.0.2.84/32")),
    Service("guarded-names", "203.0.113.14", 53, "udp", "gue", _one(33), deny=("198.51.100.200/32", "10.0.0.0/8")),
    Service("guarded6", "2001:db8::14", 8081, "udp", "ipip", _one(34, True),
            allow=("2001:db8:c::/48", "2001:db8:d:1::/64"),
            deny=("2001:db8:d::/48", "2001:db8:c::88/128", "2001:db8:c:1::/64")),
    Service("guarded6-any", "2001:db8::14", 8082, "tcp", "l2", _one(35, True),
            allow=("2001:db8:c::/64",), deny=("::/0",)),
    Service("quiet6", "2001:db8::13", 8080, "tcp", "l2", _one(31, True), "never", "reject"),
)
SINGLE = tuple(service for service in SERVICES if len(service.backends) == 1)


def _keyed(version):
    """Ranges of ports, any port, and clients that stay with a backend; the rows are in key_rows.py."""
    v6 = version == 6
    tag = "6" if v6 else ""

    def vip(number):
        return f"2001:db8::{number}" if v6 else f"203.0.113.{number}"

    def one(number):
        return _one(number + (10 if v6 else 0), v6)

    def three(number):
        return one(number) + one(number + 1) + one(number + 2)

    return (
        Service("range" + tag, vip(60), 8000, "tcp", "l2", one(80), last_port=8100),
        Service("range-inside" + tag, vip(60), 8050, "tcp", "ipip", one(81)),
        Service("range-behind" + tag, vip(60), 8101, "tcp", "gre", one(82), last_port=8200),
        Service("range-udp" + tag, vip(60), 8000, "udp", "gue", one(83), last_port=8100),
        Service("range-any" + tag, vip(60), 0, "tcp", "l2", one(84)),
        Service("any-udp" + tag, vip(61), 0, "udp", "gue", one(85), unmatched="reject"),
        Service("any-udp-inside" + tag, vip(61), 53, "udp", "l2", one(86)),
        Service("range-top" + tag, vip(62), 65000, "tcp", "l2", one(87), "when-up", "reject", 65535),
        Service("bound" + tag, vip(63), 443, "tcp", "gue", three(100), hash="source"),
        Service("bound-range" + tag, vip(64), 1000, "udp", "ipip", three(120), last_port=2000, hash="source",
                source_prefix=48 if v6 else 24),
        Service("bound-any" + tag, vip(65), 0, "tcp", "l2", three(140), hash="source",
                source_prefix=128 if v6 else 9),
    )


KEYED = _keyed(4) + _keyed(6)
SERVICES += KEYED
BY_NAME = {service.name: service for service in SERVICES}


def is_v6(service):
    return ipaddress.ip_address(service.vip).version == 6


def ether(**fields):
    return Ether(**{"dst": EDGE.mac, "src": ROUTER_MAC, **fields})


def ip_to(service, **fields):
    if is_v6(service):
        return IPv6(**{"src": CLIENT6, "dst": service.vip, "hlim": 57, "fl": 0x2BCDE, **fields})
    return IP(**{"src": CLIENT, "dst": service.vip, "ttl": 57, "id": 4711, "flags": "DF", **fields})


def transport_to(service, **fields):
    if service.protocol == "tcp":
        return TCP(**{"sport": 40000, "dport": service.port, "flags": "S", **fields})
    return UDP(**{"sport": 40000, "dport": service.port, **fields})


def packet_to(service, payload=b"", ip=None, transport=None):
    return ip_to(service, **(ip or {})) / transport_to(service, **(transport or {})) / Raw(payload)


def frame_to(service, payload=b"", ip=None, transport=None):
    return ether() / packet_to(service, payload, ip, transport)


def hash_of(service, frame):
    """The flow hash of a frame that is forwarded, by the oracle."""
    _, packet = headers.ip_packet(frame)
    start = 40 if is_v6(service) else 4 * (packet[0] & 0x0F)
    source = ipaddress.ip_address(packet[8:24] if is_v6(service) else packet[12:16])
    ports = (int.from_bytes(packet[at : at + 2], "big") for at in (start, start + 2))
    return hash_from(service, str(source), *ports)


def usual_hash(service, source=None, port=40000):
    """Of what ip_to() and transport_to() make."""
    return hash_from(service, source or (CLIENT6 if is_v6(service) else CLIENT), port)


def hash_from(service, source, port, destination_port=None):
    protocol = {"tcp": 6, "udp": 17}[service.protocol]
    return flow_hash.flow_hash(SEED, source, service.vip, port, destination_port or service.port, protocol)


def slot_hash(service, source, flow):
    """What chooses the slot: the flow's hash, or the client's."""
    bits = source_prefix(service)
    return flow_hash.source_hash(SEED, source, bits) if bits else flow


def source_prefix(service):
    """Bits of the client's address that choose; 0: the flow does."""
    if service.hash == "5tuple":
        return 0
    return service.source_prefix or (64 if is_v6(service) else 32)


def vip_text(service):
    """As the configuration spells it."""
    ports = f"{service.port}-{service.last_port}" if service.last_port else service.port or "any"
    return f"[{service.vip}]:{ports}" if is_v6(service) else f"{service.vip}:{ports}"


def expected(service, frame, backend=None, flow=None, prefix=None):
    """The frame that leaves, by the oracle. flow: the flow hash, where the frame does not begin with the ports.

    prefix: the port's tunnel_source_prefix."""
    backend = backend or service.backends[0]
    if service.forwarding == "l2":
        return headers.forwarded_l2(frame, backend.mac, EDGE.mac)
    source = EDGE.tunnel_source_v6 if ":" in backend.address else EDGE.tunnel_source_v4
    macs = (backend.mac, EDGE.mac)
    flow = hash_of(service, frame) if flow is None else flow
    if prefix is not None and (":" in prefix) == (":" in source):
        source = headers.source_of_flow(prefix, flow)
    return headers.forwarded_tunnel(service.forwarding, frame, macs, source, backend.address, flow)


def overhead(service):
    """Bytes that the tunnel adds."""
    if service.forwarding == "l2":
        return 0
    outer = 40 if ":" in service.backends[0].address else 20
    return outer + {"ipip": 0, "gre": 4, "gue": 8 + 4}[service.forwarding]


def header_bytes(service):
    """IP and transport header, without options."""
    return (40 if is_v6(service) else 20) + (20 if service.protocol == "tcp" else 8)


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
        padded = bytes(frame_to(service, b"abc"))
        table.forwarded("Ethernet padding is cut off", service, padded + b"\xee" * 17)
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
