"""Rows of the packet table: IPv6 extension headers and IPv4 options."""

from scapy.layers.inet import (
    IPOption,
    IPOption_EOL,
    IPOption_LSRR,
    IPOption_NOP,
    IPOption_RR,
    IPOption_Security,
    IPOption_SSRR,
    IPOption_Timestamp,
)
from scapy.layers.inet6 import IPv6ExtHdrDestOpt, IPv6ExtHdrHopByHop, IPv6ExtHdrRouting, PadN
from scapy.layers.ipsec import AH
from scapy.packet import Raw

from scene import EDGE, SINGLE, ether, frame_to, header_bytes, ip_to, is_v6, overhead, transport_to, usual_hash
from table import patched, with_right_checksum


def chain_to(service, *headers, **ip):
    """A frame with extension headers before the transport header."""
    packet = ip_to(service, **ip)
    for header in headers:
        packet /= header
    return ether() / packet / transport_to(service) / Raw(b"behind")


def options_header(size, kind=IPv6ExtHdrDestOpt):
    """An options header of `size` bytes."""
    return kind(options=[PadN(optdata=b"\0" * (size - 4))])


def authentication(service):
    return AH(nh={"tcp": 6, "udp": 17}[service.protocol], payloadlen=4, spi=1, seq=1, icv=b"\0" * 12)


def add_extension_headers(table):
    for service in (one for one in SINGLE if is_v6(one)):
        hop, options = IPv6ExtHdrHopByHop(), IPv6ExtHdrDestOpt()
        passed = IPv6ExtHdrRouting(type=2, addresses=[service.vip], segleft=0)
        for name, headers in (
            ("hop by hop", (hop,)),
            ("hop by hop of 40 bytes", (options_header(40, IPv6ExtHdrHopByHop),)),
            ("routing, no segments left", (passed,)),
            ("destination options", (options,)),
            ("all kinds", (hop, options, passed, authentication(service))),
            ("8", (options,) * 8),
            ("256 bytes", (options_header(128),) * 2),
        ):
            frame = chain_to(service, *headers)
            table.forwarded(f"extension headers: {name}", service, frame, flow=usual_hash(service))
        after = ip_to(service) / options / authentication(service) / transport_to(service)
        table.forwarded("extension headers: authentication", service, ether() / after, flow=usual_hash(service))
        padded = bytes(chain_to(service, hop)) + b"\xee" * 9
        table.forwarded("extension headers: Ethernet padding behind them", service, padded, flow=usual_hash(service))
        left = IPv6ExtHdrRouting(type=2, addresses=[service.vip])
        alert = chain_to(service, options)
        for name, reason, packet in (
            ("9", "extension_header", chain_to(service, *(options,) * 9)),
            ("264 bytes", "extension_header", chain_to(service, options_header(128), options_header(136))),
            ("hop by hop behind another", "extension_header", chain_to(service, options, hop)),
            ("hop by hop twice", "extension_header", chain_to(service, hop, hop)),
            ("mobility", "extension_header", chain_to(service, Raw(b"\x06\0\0\0\0\0\0\0"), nh=135)),
            ("routing, a segment left", "source_route", chain_to(service, left)),
            ("longer than the packet", "truncated", patched(alert, _55=20)),
            ("nothing behind them", "truncated", ether() / ip_to(service, nh=60) / Raw(b"\x3c\0\x01\x04\0\0\0\0")),
            ("no transport", "unsupported_protocol",
             ether() / ip_to(service, nh=60) / Raw(b"\x3b\0\x01\x04\0\0\0\0")),
            ("a port without a service", "no_service",
             ether() / ip_to(service) / hop / transport_to(service, dport=service.port + 1)),
        ):
            table.dropped(f"{service.name}: extension headers: {name}", reason, packet)
        fits = EDGE.mtu - overhead(service) - header_bytes(service) - 8
        longest = ether() / ip_to(service) / hop / transport_to(service) / Raw(b"m" * fits)
        table.forwarded("extension headers: exactly the MTU", service, longest, flow=usual_hash(service))


def add_ip_options(table):
    hops = ["198.51.100.1", "198.51.100.2"]
    for service in (one for one in SINGLE if not is_v6(one)):
        for name, options in (
            ("record route", [IPOption_RR(routers=hops)]),
            ("timestamp", [IPOption_Timestamp()]),
            ("security", [IPOption_Security()]),
            ("end of options, then anything", [IPOption_NOP(), IPOption_EOL(), IPOption(b"\x83\x00")]),
        ):
            table.forwarded(f"option {name}", service, frame_to(service, b"o", ip={"options": options}))
        for name, options in (
            ("loose", [IPOption_LSRR(routers=hops)]),
            ("strict", [IPOption_SSRR(routers=hops)]),
            ("empty loose", [IPOption_NOP(), IPOption_LSRR(routers=[])]),
        ):
            packet = frame_to(service, ip={"options": options})
            table.dropped(f"{service.name}: {name} source route", "source_route", packet)
        options = [IPOption_NOP()] * 4
        for name, changes in (
            ("of length 0", {"_34": 7, "_35": 0}),
            ("of length 1", {"_34": 7, "_35": 1}),
            ("that ends behind the header", {"_34": 7, "_35": 5}),
            ("without a length", {"_37": 7}),
        ):
            frame = with_right_checksum(patched(frame_to(service, ip={"options": options}), **changes))
            table.dropped(f"{service.name}: an option {name}", "bad_header_length", frame)
        frame = with_right_checksum(patched(frame_to(service, ip={"options": options}), _34=7, _35=4))
        table.forwarded("an option of an unknown kind and all the room", service, frame)
