"""Rows of the packet table: sources that a service's lists allow and deny.

Which prefix decides is asked of Python's ipaddress here, one prefix after the other.
"""

import ipaddress

from scapy.layers.inet import IPOption_Router_Alert
from scapy.layers.inet6 import IPv6ExtHdrDestOpt, IPv6ExtHdrFragment
from scapy.packet import Raw

import icmp_rows
import scene
import table

# At the edges of the prefixes of scene.SERVICES, beside them, and far from them.
SOURCES = {
    4: (
        "198.51.100.1", "198.51.100.63", "198.51.100.64", "198.51.100.67", "198.51.100.68", "198.51.100.127",
        "198.51.100.128", "198.51.100.200", "198.51.100.201", "198.51.100.255", "198.51.99.255", "198.51.101.0",
        "192.0.2.1", "192.0.2.79", "192.0.2.80", "192.0.2.83", "192.0.2.84", "192.0.2.85", "192.0.2.95", "192.0.2.96",
        "9.255.255.255", "10.0.0.0", "10.255.255.255", "11.0.0.0", "203.0.113.1",
    ),
    6: (
        "2001:db8:c::1", "2001:db8:c::88", "2001:db8:c::89", "2001:db8:c:0:ffff:ffff:ffff:ffff", "2001:db8:c:1::",
        "2001:db8:c:1:ffff:ffff:ffff:ffff", "2001:db8:c:2::", "2001:db8:b:ffff::1", "2001:db8:d::1",
        "2001:db8:d:1::1", "2001:db8:d:1:ffff::", "2001:db8:d:2::", "2001:db8:e::", "fd00::1", "fe80::1", "3fff::1",
    ),
}


def is_denied(service, source):
    """The longest prefix of both lists that contains the source decides; else whether there is anybody allowed."""
    address = ipaddress.ip_address(source)
    found = [(ipaddress.ip_network(prefix), denies)
             for prefixes, denies in ((service.allow, False), (service.deny, True)) for prefix in prefixes]
    found = [(network.prefixlen, denies) for network, denies in found
             if network.version == address.version and address in network]
    return max(found)[1] if found else bool(service.allow)


def kinds(service, source):
    """(description, frame): every kind of packet of a service that has a source of its own."""
    ip = {"src": source}
    yield "first packet", scene.frame_to(service, b"hello", ip=ip)
    if service.protocol == "tcp":
        yield "in the middle of a connection", scene.frame_to(service, b"on", ip=ip, transport={"flags": "PA"})
    if scene.is_v6(service):
        behind = scene.transport_to(service) / Raw(b"behind")
        yield "behind an extension header", scene.ether() / scene.ip_to(service, **ip) / IPv6ExtHdrDestOpt() / behind
        piece = bytes(scene.ip_to(service, **ip) / scene.transport_to(service) / Raw(b"f" * 180))[40:]
        number = {"tcp": 6, "udp": 17}[service.protocol]
        header = IPv6ExtHdrFragment(nh=number, m=1, id=0xF1A60000 + service.port)
        yield "first fragment", scene.ether() / scene.ip_to(service, **ip) / header / Raw(piece[:160])
        return
    yield "with options", scene.frame_to(service, b"o", ip={**ip, "options": [IPOption_Router_Alert()]})
    piece = bytes(scene.ip_to(service, **ip) / scene.transport_to(service) / Raw(b"f" * 180))[20:]
    fields = {**ip, "flags": "MF", "id": 0xF1A6, "proto": {"tcp": 6, "udp": 17}[service.protocol]}
    yield "first fragment", scene.ether() / scene.ip_to(service, **fields) / Raw(piece[:160])


def add_sources(rows):
    for service in (one for one in scene.SERVICES if one.allow or one.deny):
        for source in SOURCES[6 if scene.is_v6(service) else 4]:
            for what, frame in kinds(service, source):
                add_row(rows, service, source, f"{what} from {source}", frame)
            # An ICMP error is about the client that it quotes, whoever the router is that sends it.
            for router in SOURCES[6 if scene.is_v6(service) else 4][::6]:
                quote = bytes(icmp_rows.sent_by(service, ip={"dst": source}))
                frame = icmp_rows.too_big(service, quote=quote) if scene.is_v6(service) else \
                    icmp_rows.too_big(service, quote=quote, ip={"src": router})
                add_row(rows, service, source, f"an error about {source} from {router}", frame)
                if scene.is_v6(service):
                    break


def add_row(rows, service, source, description, frame):
    if is_denied(service, source):
        rows.dropped(f"{service.name}: {description}, denied", "denied_source", frame)
    else:
        rows.forwarded(description, service, frame, flow=scene.usual_hash(service, source))


def rows():
    made = table.Table()
    add_sources(made)
    denied = sum(row.verdict == "denied_source" for row in made.rows)
    assert 150 < denied < len(made.rows) - 150
    return made.rows
