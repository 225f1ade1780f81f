"""What a forwarded packet looks like, from the RFCs.

Frames are bytes from the Ethernet header on, without FCS. Nothing here parses more than it must, and nothing
is shared with the code under test.
"""

import ipaddress
import struct

ETHERNET = 14
ETHERTYPE = {4: 0x0800, 6: 0x86DD}
OUTER_TTL = 64
PROTOCOL_OF_INNER = {4: 4, 6: 41}


def internet_checksum(data):
    """RFC 1071, section 1: the one's complement of the one's complement sum of 16-bit words."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def v6_checksum(source, destination, protocol, message):
    """RFC 8200, 8.1: the pseudo-header and the message, whose checksum field must be 0."""
    pseudo = ipaddress.ip_address(source).packed + ipaddress.ip_address(destination).packed
    return internet_checksum(pseudo + struct.pack(">II", len(message), protocol) + message)


def mac_bytes(text):
    return bytes(int(part, 16) for part in text.split(":"))


def ip_packet(frame):
    """(version, the IP packet): behind its length comes Ethernet padding (RFC 894; RFC 2464, section 3)."""
    (ethertype,) = struct.unpack_from(">H", frame, 12)
    if ethertype == ETHERTYPE[4]:
        (length,) = struct.unpack_from(">H", frame, ETHERNET + 2)
        return 4, frame[ETHERNET : ETHERNET + length]
    if ethertype == ETHERTYPE[6]:
        (payload,) = struct.unpack_from(">H", frame, ETHERNET + 4)
        return 6, frame[ETHERNET : ETHERNET + 40 + payload]
    raise ValueError(f"no IP packet: {ethertype:#06x}")


def one_hop_further(version, packet):
    """The packet as a router passes it on (RFC 1812, 5.3.1; RFC 8200, section 3)."""
    packet = bytearray(packet)
    if version == 6:
        packet[7] -= 1
        return bytes(packet)
    packet[8] -= 1
    header = 4 * (packet[0] & 0x0F)
    packet[10:12] = b"\0\0"
    packet[10:12] = struct.pack(">H", internet_checksum(bytes(packet[:header])))
    return bytes(packet)


def outer_header(version, inner, source, destination):
    """RFC 2003, 3.1 (4 in 4) and RFC 2473, section 6 (6 in 6).

    Of what they leave open, the project chose: ToS, traffic class and flow label as inside, Identification and
    Don't Fragment as inside, TTL and hop limit 64.
    """
    addresses = ipaddress.ip_address(source).packed + ipaddress.ip_address(destination).packed
    if version == 6:
        return inner[:4] + struct.pack(">HBB", len(inner), PROTOCOL_OF_INNER[6], OUTER_TTL) + addresses
    (inner_flags,) = struct.unpack_from(">H", inner, 6)
    header = struct.pack(">BBH", 4 << 4 | 5, inner[1], 20 + len(inner)) + inner[4:6]
    header += struct.pack(">HBBH", inner_flags & 0x4000, OUTER_TTL, PROTOCOL_OF_INNER[4], 0) + addresses
    return header[:10] + struct.pack(">H", internet_checksum(header)) + header[12:]


def forwarded_l2(frame, destination_mac, source_mac):
    """Same segment: another pair of MAC addresses, the same packet."""
    _, packet = ip_packet(frame)
    return mac_bytes(destination_mac) + mac_bytes(source_mac) + frame[12:ETHERNET] + packet


def forwarded_ipip(frame, macs, source, destination):
    """`macs` are (destination, source) of the frame that leaves."""
    version, packet = ip_packet(frame)
    packet = one_hop_further(version, packet)
    ethernet = mac_bytes(macs[0]) + mac_bytes(macs[1]) + frame[12:ETHERNET]
    return ethernet + outer_header(version, packet, source, destination) + packet
