"""Frames for test_decap.py: every tunnel between every two families, and what is wrong with them.

`add(tools)` makes the rows with the functions of test_decap.py, so that both files' rows are judged alike.
"""

import struct

from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment
from scapy.layers.l2 import GRE
from scapy.packet import Raw

DROP, PASS = 1, 2


def gue(first=0, protocol=4, flags=0):
    """draft-ietf-intarea-gue-09, 3.1: version, control bit and length of extensions; protocol; flags."""
    return Raw(struct.pack(">BBH", first, protocol, flags))


def udp(**fields):
    return UDP(**{"sport": 0xC123, "dport": 6080, **fields})


def gue_in(tunnel, packet, head=None, **fields):
    """The packet in GUE, its UDP checksum made by scapy: over IPv4 none, as the balancers send it."""
    checksum = {"chksum": 0} if isinstance(tunnel, IP) else {}
    head = gue(protocol=41 if isinstance(packet, IPv6) else 4) if head is None else head
    return tunnel / udp(**{**checksum, **fields}) / head / packet


def gre_in(tunnel, packet, **fields):
    return tunnel / GRE(**{"proto": 0x86DD if isinstance(packet, IPv6) else 0x0800, **fields}) / packet


def ways(tools):
    """{name: a function from inner packet and fields of the outer header to the tunnel packet}, {name: inner, outer}"""
    outers = {4: lambda **f: tools.outer(**f), 6: lambda **f: tools.outer6(**f)}
    made = {}
    for outer in (4, 6):
        for inner in (4, 6):
            number = {4: 4, 6: 41}[inner]
            key = {4: "proto", 6: "nh"}[outer]

            def ipip(packet, outer=outer, key=key, number=number, **fields):
                return outers[outer](**{key: number, **fields}) / packet

            def gre(packet, outer=outer, key=key, **fields):
                return gre_in(outers[outer](**{key: 47, **fields}), packet)

            def in_gue(packet, outer=outer, key=key, **fields):
                return gue_in(outers[outer](**{key: 17, **fields}), packet)

            for mode, make in (("ipip", ipip), ("gre", gre), ("gue", in_gue)):
                made[f"{mode} {inner}in{outer}"] = (make, inner, outer)
    return made


def add_every_way(tools):
    inners = {4: tools.inner, 6: tools.inner6}
    strangers = {4: "10.0.1.3", 6: "2001:db8:1::3"}
    elsewhere = {4: {"dst": "10.0.4.2"}, 6: {"dst": "fd00:4::2"}}
    no_vip = {4: "203.0.113.12", 6: "2001:db8::11"}
    for name, (make, inner, outer) in ways(tools).items():
        packet = inners[inner]
        mac = tools.MAC
        for size in (0, 1, 1300, 8000):
            content = packet(TCP(dport=443, flags="A") / Raw(b"x" * size))
            tools.case(f"{name}: {size} bytes", bytes(mac / make(content)), PASS, "decapsulated", bytes(mac / content))
        content = packet(UDP(dport=53) / b"q")
        tools.case(f"{name}: padding stays behind the packet", bytes(mac / make(content)) + b"\0" * 9, PASS,
                   "decapsulated", bytes(mac / content) + b"\0" * 9)
        mark = "tos" if outer == 4 else "tc"
        own = "tos" if inner == 4 else "tc"
        tools.case(f"{name}: congestion marked on the way", mac / make(packet(**{own: 0xBA}), **{mark: 3}), PASS,
                   "decapsulated", bytes(mac / packet(**{own: 0xBB})))
        tools.case(f"{name}: congestion that cannot be marked", mac / make(packet(**{own: 0}), **{mark: 3}), DROP,
                   "congestion-unmarkable")
        tools.case(f"{name}: to another host", mac / make(packet(), **elsewhere[outer]), PASS)
        tools.case(f"{name}: from a stranger", mac / make(packet(), src=strangers[outer]), DROP, "source-not-allowed")
        tools.case(f"{name}: for no VIP", mac / make(packet(dst=no_vip[inner])), DROP, "inner-not-vip")
        length = {"plen": 9000} if outer == 6 else {"len": 9000}
        tools.case(f"{name}: an outer length beyond the frame", mac / make(packet(), **length), DROP,
                   "outer-malformed")
        whole = bytes(mac / make(packet()))
        headers = len(whole) - len(bytes(packet())) - 14
        short = {"plen": headers - 40 - 1} if outer == 6 else {"len": headers - 1}
        if not name.startswith("ipip"):
            tools.case(f"{name}: an outer length that ends in the tunnel's header", mac / make(packet(), **short),
                       DROP, "outer-malformed")
        for cut in range(14 + (20 if outer == 4 else 40), 14 + headers):
            # A UDP header that is not all there tells no port, so it is the kernel's.
            unread = name.startswith("gue") and cut < 14 + headers - 4
            tools.case(f"{name}: a frame of {cut} bytes", whole[:cut], PASS if unread else DROP,
                       None if unread else "outer-malformed")
        if outer == 4:
            tools.case(f"{name}: a wrong outer checksum", mac / make(packet(), chksum=0x1234), DROP,
                       "outer-malformed")
        if name.startswith("ipip"):
            other = tools.inner6() if inner == 4 else tools.inner()
            tools.case(f"{name}: another version inside", mac / make(Raw(bytes(other))), DROP, "inner-malformed")


def add_gre(tools):
    case, mac = tools.case, tools.MAC
    for outer in (tools.outer(proto=47), tools.outer6(nh=47)):
        family = "" if isinstance(outer, IP) else ", v6"

        def refused(description, fields, outer=outer, family=family):
            case(f"GRE {description}{family}", mac / gre_in(outer, tools.inner(), **fields), DROP, "unknown-tunnel")

        refused("with a checksum", {"chksum_present": 1})
        refused("with a key", {"key_present": 1, "key": 7})
        refused("with a sequence number", {"seqnum_present": 1, "sequence_number": 7})
        refused("with routing", {"routing_present": 1, "chksum": 0, "offset": 0})
        refused("with strict source routing", {"strict_route_source": 1})
        refused("with recursion control", {"recursion_control": 1 << 2})
        refused("of version 1", {"version": 1})
        refused("of Ethernet", {"proto": 0x6558})
        refused("of ARP", {"proto": 0x0806})
        case(f"GRE with reserved bits that are to be ignored{family}", mac / outer / Raw(b"\x03\xf8\x08\x00") /
             tools.inner(), PASS, "decapsulated", bytes(mac / tools.inner()))
        case(f"GRE that announces IPv6 and has IPv4{family}", mac / gre_in(outer, tools.inner(), proto=0x86DD), DROP,
             "inner-malformed")
        case(f"GRE with nothing inside{family}", mac / outer / GRE(proto=0x0800), DROP, "inner-malformed")
    case("GRE, the first fragment", mac / gre_in(tools.outer(proto=47, flags="MF"), tools.inner()), DROP,
         "outer-fragment")
    case("GRE, a later fragment", mac / tools.outer(proto=47, frag=4) / Raw(b"x" * 40), DROP, "outer-fragment")


def add_gue(tools):
    case, mac = tools.case, tools.MAC
    for outer in (tools.outer(proto=17), tools.outer6(nh=17)):
        family = "" if isinstance(outer, IP) else ", v6"
        inner = tools.inner

        def refused(description, head, outer=outer, family=family):
            case(f"GUE {description}{family}", mac / gue_in(outer, tools.inner(), head), DROP, "unknown-tunnel")

        for version in (1, 2, 3):
            refused(f"of version {version}", gue(first=version << 6))
        refused("with the control bit", gue(first=0x20))
        for words in (1, 31):
            refused(f"with {words} words of extensions", gue(first=words))
        for flag in (0x8000, 0x0001, 0xFFFF):
            refused(f"with flags {flag:04x}", gue(flags=flag))
        for protocol in (0, 6, 17, 47, 59, 255):
            refused(f"of protocol {protocol}", gue(protocol=protocol))
        case(f"GUE that announces IPv6 and has IPv4{family}", mac / gue_in(outer, inner(), gue(protocol=41)), DROP,
             "inner-malformed")
        case(f"GUE with nothing inside{family}", mac / gue_in(outer, Raw(b""), gue()), DROP, "inner-malformed")
        for length in (0, 7, 11, 100):
            case(f"GUE of UDP length {length}{family}", mac / gue_in(outer, inner(), len=length, chksum=1), DROP,
                 "outer-malformed")
        case(f"GUE of UDP length 12{family}", mac / gue_in(outer, inner(), len=12, chksum=1), DROP, "inner-malformed")
        case(f"GUE of a UDP length that cuts the inner packet{family}",
             mac / gue_in(outer, inner(), len=12 + 39, chksum=1), DROP, "inner-malformed")
        for port in (6079, 6081, 0, 53):
            case(f"UDP to port {port}{family}", mac / gue_in(outer, inner(), dport=port), PASS)
        case(f"GUE from any port{family}", mac / gue_in(outer, inner(), sport=53), PASS, "decapsulated",
             bytes(mac / inner()))
    case("GUE over IPv4 with a checksum", mac / gue_in(tools.outer(proto=17), tools.inner(), chksum=0x1234), PASS,
         "decapsulated", bytes(mac / tools.inner()))
    case("GUE over IPv6 without a checksum", mac / gue_in(tools.outer6(nh=17), tools.inner(), chksum=0), DROP,
         "outer-malformed")
    case("GUE, the first fragment", mac / gue_in(tools.outer(proto=17, flags="MF"), tools.inner()), DROP,
         "outer-fragment")
    case("GUE, a later fragment, which tells no port", mac / tools.outer(proto=17, frag=4) / Raw(b"\x17\xc0" * 20),
         PASS)
    first = tools.outer6(nh=44) / IPv6ExtHdrFragment(nh=17, m=1) / udp(chksum=1) / gue() / tools.inner()
    case("GUE, the first fragment, v6", mac / first, DROP, "outer-fragment")
    later = tools.outer6(nh=44) / IPv6ExtHdrFragment(nh=17, offset=4) / Raw(b"\x17\xc0" * 20)
    case("GUE, a later fragment, which tells no port, v6", mac / later, PASS)


def add(tools):
    add_every_way(tools)
    add_gre(tools)
    add_gue(tools)
