"""Rows of the packet table: services of a range of ports and of any port, and clients that stay with a backend.

Of the services that share a VIP and a protocol, the one of the exact port gets the packet, then the one of a range,
then the one of any port.
"""

import ipaddress
import random

from scapy.layers.inet import TCP, UDP
from scapy.layers.inet6 import IPv6ExtHdrDestOpt, IPv6ExtHdrFragment
from scapy.packet import Raw

import icmp_rows
import scene
import table
from oracle import flow_hash, replies
from scene import BY_NAME, KEYED, ether, frame_to, ip_to, is_v6, transport_to

BOUND = tuple(service for service in KEYED if service.hash == "source")
# Ports at both ends of each range, and the service that takes each; "6" is added for the others.
TAKEN = {
    "range": (8000, 8001, 8049, 8051, 8099, 8100),
    "range-inside": (8050,),
    "range-behind": (8101, 8102, 8199, 8200),
    "range-udp": (8000, 8050, 8100),
    "range-any": (0, 1, 80, 7999, 8201, 65535),
    "any-udp": (0, 1, 52, 54, 8000, 65535),
    "any-udp-inside": (53,),
    "range-top": (65000, 65001, 65534, 65535),
}
UNTAKEN_UDP = (0, 1, 7999, 8101, 65535)  # of the VIP of "range"


def pairs():
    """(service, port) of each family."""
    for name, ports in TAKEN.items():
        for service in (BY_NAME[name], BY_NAME[name + "6"]):
            for port in ports:
                yield service, port


def flow_of(service, port, source=None, source_port=40000):
    source = source or (scene.CLIENT6 if is_v6(service) else scene.CLIENT)
    protocol = {"tcp": 6, "udp": 17}[service.protocol]
    return flow_hash.flow_hash(scene.SEED, source, service.vip, source_port, port, protocol)


def add_taken(rows):
    for service, port in pairs():
        flow = flow_of(service, port)
        for what, payload in (("", b""), (" with payload", b"lend me a tenner")):
            frame = frame_to(service, payload, transport={"dport": port})
            rows.forwarded(f"port {port}{what}", service, frame, flow=flow)
        if service.protocol == "tcp":
            for flags in ("A", "FA", "R"):
                frame = frame_to(service, transport={"dport": port, "flags": flags})
                rows.forwarded(f"port {port}, flags {flags}", service, frame, flow=flow)


def add_rarer(rows):
    """What the fast classifier refuses goes the same way: extension headers, fragments without others, errors."""
    for service, port in pairs():
        flow = flow_of(service, port)
        transport = transport_to(service, dport=port)
        quote = bytes(icmp_rows.sent_by(service, transport={"sport": port}))
        rows.forwarded(f"error about port {port}", service, icmp_rows.too_big(service, quote=quote), flow=flow)
        short = quote[: (40 if is_v6(service) else 20) + 8]
        rows.forwarded(f"short error about port {port}", service, icmp_rows.too_big(service, quote=short), flow=flow)
        if is_v6(service):
            packet = ether() / ip_to(service) / IPv6ExtHdrDestOpt() / transport / Raw(b"behind")
            rows.forwarded(f"port {port} behind an extension header", service, packet, flow=flow)
            atomic = ether() / ip_to(service) / IPv6ExtHdrFragment(id=port) / transport / Raw(b"atomic")
            rows.forwarded(f"port {port} in an atomic fragment", service, atomic, flow=flow)


def add_untaken(rows):
    for tag in ("", "6"):
        service = BY_NAME["range" + tag]
        for port in UNTAKEN_UDP:
            rows.dropped(f"{service.name}: UDP port {port}", "no_service",
                         ether() / ip_to(service) / UDP(sport=40000, dport=port))
        quote = bytes(icmp_rows.sent_by(BY_NAME["range-udp" + tag], transport={"sport": 7999}))
        rows.dropped(f"{service.name}: error about UDP port 7999", "no_service",
                     icmp_rows.too_big(service, quote=quote))
        for name in ("any-udp", "range-top"):
            rejecting = BY_NAME[name + tag]
            head = 40 if tag else 20
            for port in (1, 53, 64999):
                frame = bytes(ether() / ip_to(rejecting) / TCP(sport=40000, dport=port))
                rows.rows.append(table.Row(f"{rejecting.name}: TCP port {port}", frame, "reply:reset",
                                           replies.reset(frame, head)))
        top = BY_NAME["range-top" + tag]
        frame = bytes(ether() / ip_to(top) / UDP(sport=40000, dport=65000))
        output = replies.icmp_error(frame, *((1, 4) if tag else (3, 3)))
        rows.rows.append(table.Row(f"{top.name}: UDP port 65000", frame, "reply:port_unreachable", output))


def rows():
    result = table.Table()
    for add in (add_taken, add_rarer, add_untaken):
        add(result)
    return result.rows


# ---- clients that stay ----------------------------------------------------------------------------


def clients(service, numbers, count):
    """Addresses of so many clients, two of each prefix."""
    bits = scene.source_prefix(service)
    for _ in range(count):
        if is_v6(service):
            first = ipaddress.IPv6Address(0x20010DB8 << 96 | numbers.getrandbits(96))
        else:
            first = ipaddress.IPv4Address(numbers.randrange(1 << 24, 127 << 24))
        host = first.max_prefixlen - bits
        yield first
        yield type(first)(int(first) ^ (numbers.getrandbits(host) if host else 0))


def ports_of(service, numbers):
    last = service.last_port or (service.port or 65535)
    return [numbers.randint(service.port or 1, last) for _ in range(3)]


def bound_rows(service, ring, count=60):
    """Several things that each client sends, in this order; ring: the number of the backend of each slot."""
    numbers = random.Random(service.name)
    result = []
    for number, client in enumerate(clients(service, numbers, count)):
        source = str(client)
        slot = flow_hash.ring_slot(scene.slot_hash(service, source, None), len(ring))
        backend = service.backends[ring[slot]]

        def add(what, packet, flow, backend=backend, source=source, number=number):
            frame = bytes(packet)
            result.append(table.Row(f"{service.name}: {what} of {source} ({number})", frame, "transmit",
                                    scene.expected(service, frame, backend, flow), service.name))

        for port in ports_of(service, numbers):
            transport = {"sport": numbers.randrange(1024, 65536), "dport": port}
            flow = flow_of(service, port, source, transport["sport"])
            add(f"port {port}", frame_to(service, b"mine", {"src": source}, transport), flow)
            unseen = {"sport": transport["sport"] ^ 1, "dport": port}
            quoted = {"sport": port, "dport": unseen["sport"]}
            quote = bytes(icmp_rows.sent_by(service, ip={"dst": source}, transport=quoted))
            unseen_flow = flow_of(service, port, source, unseen["sport"])
            add(f"error about an unseen flow of port {port}", icmp_rows.too_big(service, quote=quote), unseen_flow)
            add_pieces(add, service, source, {"sport": transport["sport"] ^ 3, "dport": port}, number)
    return result


def add_pieces(add, service, source, transport, number):
    """A datagram in two pieces, and over IPv6 one behind an extension header."""
    port = transport["dport"]
    flow = flow_of(service, port, source, transport["sport"])
    data = bytes(ip_to(service, src=source) / transport_to(service, **transport) / Raw(b"p" * 600))
    data = data[40 if is_v6(service) else 20 :]
    for offset, more in ((0, 1), (400, 0)):
        part = data[offset : offset + 400] if more else data[offset:]
        if is_v6(service):
            header = IPv6ExtHdrFragment(nh={"tcp": 6, "udp": 17}[service.protocol], offset=offset // 8, m=more,
                                        id=number << 16 | port)
            packet = ether() / ip_to(service, src=source) / header / Raw(part)
        else:
            fields = {"id": port ^ number << 5 & 0xFFFF, "proto": {"tcp": 6, "udp": 17}[service.protocol],
                      "flags": "MF" if more else "", "frag": offset // 8}
            packet = ether() / ip_to(service, src=source, **fields) / Raw(part)
        add(f"piece at {offset} of port {port}", packet, flow)
    if is_v6(service):
        other = {**transport, "sport": transport["sport"] ^ 2}
        packet = ether() / ip_to(service, src=source) / IPv6ExtHdrDestOpt() / transport_to(service, **other)
        add(f"port {port} behind an extension header", packet, flow_of(service, port, source, other["sport"]))
