"""Rows of the packet table: who has this VIP? ARP (RFC 826) and neighbor discovery (RFC 4861)."""

import ipaddress
import struct

from scapy.layers.inet6 import (
    ICMPv6ND_NS,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
)
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Raw

import scene
import table
from oracle import headers

BROADCAST = "ff:ff:ff:ff:ff:ff"
ASKER, ASKER6, ASKER_MAC = "203.0.113.1", "2001:db8::1", "02:00:00:00:00:77"
VIP, VIP6 = "203.0.113.10", "2001:db8::10"


def request(ethernet=None, **fields):
    arp = ARP(**{"op": 1, "hwsrc": ASKER_MAC, "psrc": ASKER, "hwdst": "00:00:00:00:00:00", "pdst": VIP, **fields})
    return Ether(**{"dst": BROADCAST, "src": ASKER_MAC, **(ethernet or {})}) / arp


def arp_reply(sender, mac=ASKER_MAC, own=scene.EDGE.mac):
    """RFC 826, "Packet Reception": swapped, with our own addresses, and sent to whom asked."""
    own = headers.mac_bytes(own)
    asker = headers.mac_bytes(mac)
    packet = struct.pack(">HHBBH", 1, 0x0800, 6, 4, 2)
    packet += own + ipaddress.ip_address(VIP).packed + asker + ipaddress.ip_address(sender).packed
    return asker + own + b"\x08\x06" + packet


def solicitation(vip=VIP6, ip=None, ethernet=None, options=None, **fields):
    prefix = ipaddress.ip_address("ff02::1:ff00:0").packed[:13]  # RFC 4291, 2.7.1
    group = str(ipaddress.ip_address(prefix + ipaddress.ip_address(vip).packed[13:]))
    mac = "33:33:" + ":".join(f"{byte:02x}" for byte in ipaddress.ip_address(group).packed[12:])
    frame = Ether(**{"dst": mac, "src": ASKER_MAC, **(ethernet or {})})
    frame /= IPv6(**{"src": ASKER6, "dst": group, "hlim": 255, **(ip or {})}) / ICMPv6ND_NS(**{"tgt": vip, **fields})
    return frame / (ICMPv6NDOptSrcLLAddr(lladdr=ASKER_MAC) if options is None else options)


def advertisement(vip=VIP6, asker=ASKER6, mac=ASKER_MAC, own=scene.EDGE.mac):
    """RFC 4861, 4.4 and 7.2.4."""
    flags = 0x60000000
    if asker == "::":
        asker, mac, flags = "ff02::1", "33:33:00:00:00:01", 0x20000000
    own = headers.mac_bytes(own)
    message = struct.pack(">BBHI", 136, 0, 0, flags) + ipaddress.ip_address(vip).packed + b"\x02\x01" + own
    checksum = headers.v6_checksum(vip, asker, 58, message)
    message = message[:2] + checksum.to_bytes(2, "big") + message[4:]
    packet = struct.pack(">IHBB", 6 << 28, len(message), 58, 255)
    packet += ipaddress.ip_address(vip).packed + ipaddress.ip_address(asker).packed + message
    return headers.mac_bytes(mac) + own + b"\x86\xdd" + packet


def announcement(vip):
    """RFC 5227, 3: an ARP request by and for the VIP; RFC 4861, 7.2.6: an advertisement that nobody asked for."""
    if ":" in vip:
        return advertisement(vip, asker="::")
    own = headers.mac_bytes(scene.EDGE.mac)
    address = ipaddress.ip_address(vip).packed
    packet = struct.pack(">HHBBH", 1, 0x0800, 6, 4, 1) + own + address + b"\0" * 6 + address
    return headers.mac_bytes(BROADCAST) + own + b"\x08\x06" + packet


def rows():
    result = table.Table()

    def answered(text, frame, output):
        result.rows.append(table.Row(text, bytes(frame), "reply:neighbor", output))

    answered("ARP for a VIP", request(), arp_reply(ASKER))
    answered("ARP for a VIP, padded", bytes(request()) + b"\0" * 18, arp_reply(ASKER))
    answered("ARP for a VIP, asked directly", request({"dst": scene.EDGE.mac}), arp_reply(ASKER))
    answered("ARP probe for a VIP", request(psrc="0.0.0.0"), arp_reply("0.0.0.0"))
    wrong = "bad_neighbor_question"
    result.dropped("ARP: somebody announces a VIP as his", wrong, request(psrc=VIP))
    result.dropped("ARP for a VIP, of a group", wrong, request(hwsrc="01:00:5e:00:00:01"))
    result.dropped("ARP for a VIP, from a group", wrong, request({"src": "01:00:5e:00:00:01"}))
    result.dropped("ARP for a VIP, asking another host", wrong, request({"dst": "02:00:00:00:00:55"}))
    for name, fields in (("a reply", {"op": 2}), ("RARP", {"op": 3}), ("of another hardware", {"hwtype": 6}),
                         ("for another protocol", {"ptype": 0x86DD}), ("for no VIP", {"pdst": "203.0.113.99"})):
        result.left_alone(f"ARP, {name}", request(**fields))
    for size in (14, 24, 41):
        result.left_alone(f"ARP of {size} bytes", bytes(request())[:size])

    answered("solicitation for a VIP", solicitation(), advertisement())
    answered("solicitation without options", solicitation(options=Raw(b"")), advertisement())
    answered("solicitation, padded", bytes(solicitation()) + b"\xee" * 5, advertisement())
    direct = {"ip": {"dst": VIP6}, "ethernet": {"dst": scene.EDGE.mac}}
    answered("solicitation to the VIP itself", solicitation(**direct), advertisement())
    answered("duplicate address detection of a VIP", solicitation(ip={"src": "::"}, options=Raw(b"")),
             advertisement(asker="::"))
    answered("solicitation with two options", solicitation(options=ICMPv6NDOptSrcLLAddr(lladdr=ASKER_MAC) /
                                                           ICMPv6NDOptDstLLAddr()), advertisement())
    for name, fields in (
        ("hop limit 254", {"ip": {"hlim": 254}}), ("code 1", {"code": 1}), ("wrong checksum", {"cksum": 1}),
        ("an option of length 0", {"options": Raw(b"\x01\0" + b"\0" * 6)}),
        ("an option longer than the packet", {"options": Raw(b"\x01\x02" + b"\0" * 6)}),
        ("half an option", {"options": Raw(b"\x01")}), ("from ::1", {"ip": {"src": "::1"}}),
        ("from a group", {"ip": {"src": "ff02::2"}}), ("from :: with a source option", {"ip": {"src": "::"}}),
        ("from a group's MAC", {"ethernet": {"src": "33:33:00:00:00:01"}}),
        ("asking another host", {"ethernet": {"dst": "02:00:00:00:00:55"}}),
        ("payload length 16", {"ip": {"plen": 16}}), ("payload length of one byte more", {"ip": {"plen": 33}}),
    ):
        result.dropped(f"solicitation: {name}", wrong, solicitation(**fields))
    for name, fields in (("for no VIP", {"vip": "2001:db8::99"}), ("to another group", {"ip": {"dst": "ff02::2"}})):
        result.left_alone(f"solicitation {name}", solicitation(**fields))
    return result.rows
