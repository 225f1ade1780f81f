"""What a forwarded packet looks like, from the RFCs.

Frames are bytes from the Ethernet header on, without FCS. Nothing here parses more than it must, and nothing
is shared with the code under test.
"""

import ipaddress
import struct

ETHERNET = 14
LEAST_FRAME = 60
ETHERTYPE = {4: 0x0800, 6: 0x86DD}
OUTER_TTL = 64
PROTOCOL_OF_INNER = {4: 4, 6: 41}
DONT_FRAGMENT, FRAGMENT_BITS = 0x4000, 0x3FFF
TCP, UDP, GRE = 6, 17, 47
GUE_PORT = 6080  # IANA, "Service Name and Transport Protocol Port Number Registry"


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


def outer_header(version, inner_version, inner, source, destination, protocol=None, payload=None, flow_hash=0):
    """RFC 2003, 3.1 (4 in 4), RFC 2473, section 6 (into 6), RFC 4213, 3.5 (6 in 4).

    Of what they leave open, the project chose: ToS and traffic class as inside, a flow label as inside or, for IPv4
    inside, the low 20 bits of the flow hash; Don't Fragment set, so Identification 0 (RFC 6864, 4.1); TTL and hop
    limit 64. `payload` is what follows the outer header, the inner packet by default.
    """
    payload = inner if payload is None else payload
    protocol = PROTOCOL_OF_INNER[inner_version] if protocol is None else protocol
    addresses = ipaddress.ip_address(source).packed + ipaddress.ip_address(destination).packed
    if inner_version == 6:
        (word,) = struct.unpack_from(">I", inner)
        tos, label = word >> 20 & 0xFF, word & 0xFFFFF
    else:
        tos, label = inner[1], flow_hash & 0xFFFFF
    if version == 6:
        return struct.pack(">IHBB", 6 << 28 | tos << 20 | label, len(payload), protocol, OUTER_TTL) + addresses
    header = struct.pack(">BBHHHBBH", 4 << 4 | 5, tos, 20 + len(payload), 0, DONT_FRAGMENT, OUTER_TTL, protocol, 0)
    header += addresses
    return header[:10] + struct.pack(">H", internet_checksum(header)) + header[12:]


def pseudo_header(addresses, length, protocol):
    """RFC 768, RFC 9293, 3.1; RFC 8200, 8.1. Both families' sum up to the same."""
    return addresses + struct.pack(">II", length, protocol)


def with_right_transport(version, packet):
    """The packet with the TCP or UDP checksum that it should have; as it is where no checksum covers all of it."""
    if version == 4:
        start, protocol, addresses = 4 * (packet[0] & 0x0F), packet[9], packet[12:20]
        if struct.unpack_from(">H", packet, 6)[0] & FRAGMENT_BITS:
            return packet
    else:
        start, protocol, addresses = 40, packet[6], packet[8:40]
    segment = bytearray(packet[start:])
    at = {TCP: 16, UDP: 6}.get(protocol)
    if at is None:
        return packet
    if protocol == UDP and (segment[6:8] == b"\0\0" or struct.unpack_from(">H", segment, 4)[0] != len(segment)):
        return packet
    segment[at : at + 2] = b"\0\0"
    checksum = internet_checksum(pseudo_header(addresses, len(segment), protocol) + bytes(segment))
    segment[at : at + 2] = struct.pack(">H", checksum)
    return packet[:start] + bytes(segment)


def gre_payload(inner_version, inner):
    """RFC 2784, 2.1 to 2.4: no checksum, version 0, the Ethernet type of what follows."""
    return struct.pack(">HH", 0, ETHERTYPE[inner_version]) + inner


def gue_payload(inner_version, inner, source, destination, flow_hash):
    """UDP (RFC 768) and GUE, draft-ietf-intarea-gue-09, 3.1: version 0, data, no extensions, a protocol number.

    The source port is a dynamic one, its low 14 bits the flow hash's. No UDP checksum over IPv4; over IPv6 (RFC 8200,
    8.1) it is that of an inner packet whose own TCP or UDP checksum is right: another one's is as wrong as its own.
    """
    udp = struct.pack(">HHHH", 0xC000 | flow_hash & 0x3FFF, GUE_PORT, 12 + len(inner), 0)
    gue = struct.pack(">BBH", 0, PROTOCOL_OF_INNER[inner_version], 0)
    if ipaddress.ip_address(destination).version == 6:
        addresses = ipaddress.ip_address(source).packed + ipaddress.ip_address(destination).packed
        summed = udp + gue + with_right_transport(inner_version, inner)
        checksum = internet_checksum(pseudo_header(addresses, len(summed), UDP) + summed) or 0xFFFF
        udp = udp[:6] + struct.pack(">H", checksum)
    return udp + gue + inner


def forwarded_l2(frame, destination_mac, source_mac):
    """Same segment: another pair of MAC addresses, the same packet.

    A frame has at least 60 bytes before its FCS (IEEE 802.3, 4.2.3.3): so much of its padding stays, and where it had
    less it gets zeros."""
    _, packet = ip_packet(frame)
    end = max(ETHERNET + len(packet), min(len(frame), LEAST_FRAME))
    left = mac_bytes(destination_mac) + mac_bytes(source_mac) + frame[12:end]
    return left + b"\0" * (LEAST_FRAME - len(left))


def source_of_flow(prefix, flow_hash):
    """The outer source where the port has a tunnel_source_prefix: behind the prefix, 32 bits of the hash at most."""
    network = ipaddress.ip_network(prefix)
    free = min(network.max_prefixlen - network.prefixlen, 32)
    return str(network.network_address + (flow_hash & ((1 << free) - 1)))


def forwarded_tunnel(mode, frame, macs, source, destination, flow_hash=0):
    """`macs` are (destination, source) of the frame that leaves; `mode` is ipip, gre or gue."""
    inner_version, inner = ip_packet(frame)
    inner = one_hop_further(inner_version, inner)
    version = ipaddress.ip_address(destination).version
    protocol, payload = PROTOCOL_OF_INNER[inner_version], inner
    if mode == "gre":
        protocol, payload = GRE, gre_payload(inner_version, inner)
    elif mode == "gue":
        protocol, payload = UDP, gue_payload(inner_version, inner, source, destination, flow_hash)
    outer = outer_header(version, inner_version, inner, source, destination, protocol, payload, flow_hash)
    ethernet = mac_bytes(macs[0]) + mac_bytes(macs[1]) + struct.pack(">H", ETHERTYPE[version])
    return ethernet + outer + payload
