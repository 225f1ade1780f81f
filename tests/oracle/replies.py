"""What a balancer answers by itself, from the RFCs. Frames are bytes from the Ethernet header on.

    icmp_error      RFC 792, RFC 1191, RFC 4443
    echo_reply      RFC 792, RFC 4443, 4.2
    reset           RFC 9293, 3.10.7.1

Of what they leave open, the project chose: TTL and hop limit 64; Don't Fragment and Identification 0, but for
an echo reply, which has the request's Identification and may be fragmented; ToS c0 of IPv4 errors.
"""

import ipaddress
import struct

from oracle import headers

TTL = 64
ICMP, TCP, ICMPV6 = 1, 6, 58
LARGEST_ERROR = {4: 576, 6: 1280}
FIN, SYN, RST, ACK = 1, 2, 4, 16


def ip_packet(version, source, destination, protocol, payload, tos=0, identification=0, flags=0x4000):
    addresses = ipaddress.ip_address(source).packed + ipaddress.ip_address(destination).packed
    if version == 6:
        return struct.pack(">IHBB", 6 << 28 | tos << 20, len(payload), protocol, TTL) + addresses + payload
    header = struct.pack(">BBHHHBBH", 0x45, tos, 20 + len(payload), identification, flags, TTL, protocol, 0) + addresses
    return header[:10] + struct.pack(">H", headers.internet_checksum(header)) + header[12:] + payload


def _back(frame, packet):
    """To the MAC address that sent `frame`, from the one that it was sent to."""
    return frame[6:12] + frame[0:6] + frame[12:14] + packet


def addresses(version, packet):
    """(source, destination) of an IP packet."""
    if version == 6:
        return str(ipaddress.IPv6Address(packet[8:24])), str(ipaddress.IPv6Address(packet[24:40]))
    return str(ipaddress.IPv4Address(packet[12:16])), str(ipaddress.IPv4Address(packet[16:20]))


def _icmp(version, kind, code, rest, body, source, destination):
    head = struct.pack(">BBHI", kind, code, 0, rest)
    if version == 6:
        checksum = headers.v6_checksum(source, destination, ICMPV6, head + body)
    else:
        checksum = headers.internet_checksum(head + body)
    return struct.pack(">BBHI", kind, code, checksum, rest) + body


def icmp_error(frame, kind, code, rest=0, source=None):
    """The error about `frame`; from its destination, or from `source`."""
    version, packet = headers.ip_packet(frame)
    client, vip = addresses(version, packet)
    source = source or vip
    room = LARGEST_ERROR[version] - (40 if version == 6 else 20) - 8
    message = _icmp(version, kind, code, rest, packet[:room], source, client)
    if version == 6:
        return _back(frame, ip_packet(6, source, client, ICMPV6, message))
    return _back(frame, ip_packet(4, source, client, ICMP, message, tos=0xC0))


def echo_reply(frame, header_bytes):
    """To an echo request whose ICMP message begins `header_bytes` into the packet."""
    version, packet = headers.ip_packet(frame)
    client, vip = addresses(version, packet)
    (rest,) = struct.unpack_from(">I", packet, header_bytes + 4)
    body = packet[header_bytes + 8 :]
    if version == 6:
        (first,) = struct.unpack_from(">I", packet)
        message = _icmp(6, 129, packet[header_bytes + 1], rest, body, vip, client)
        return _back(frame, ip_packet(6, vip, client, ICMPV6, message, tos=first >> 20 & 0xFF))
    message = _icmp(4, 0, packet[header_bytes + 1], rest, body, vip, client)
    (identification,) = struct.unpack_from(">H", packet, 4)
    return _back(frame, ip_packet(4, vip, client, ICMP, message, packet[1], identification, 0))


def reset(frame, header_bytes):
    """To a TCP segment that begins `header_bytes` into the packet."""
    version, packet = headers.ip_packet(frame)
    client, vip = addresses(version, packet)
    source, destination, sequence, acknowledgement, offset, flags = struct.unpack_from(">HHIIBB", packet, header_bytes)
    length = len(packet) - header_bytes - 4 * (offset >> 4) + bool(flags & SYN) + bool(flags & FIN)
    if flags & ACK:
        numbers, answer = (acknowledgement, 0), RST
    else:
        numbers, answer = (0, (sequence + length) % 2**32), RST | ACK
    segment = struct.pack(">HHIIBBHHH", destination, source, *numbers, 5 << 4, answer, 0, 0, 0)
    pseudo = ipaddress.ip_address(vip).packed + ipaddress.ip_address(client).packed
    pseudo += struct.pack(">II", 20, TCP) if version == 6 else struct.pack(">HH", TCP, 20)
    checksum = headers.internet_checksum(pseudo + segment)
    segment = segment[:16] + struct.pack(">H", checksum) + segment[18:]
    return _back(frame, ip_packet(version, vip, client, TCP, segment))
