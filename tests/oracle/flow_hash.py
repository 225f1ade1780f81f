"""The flow hash, from the theory of operation in bpf/abi/flow_hash.h.

Addresses are `ipaddress` objects or text, ports and protocol are plain numbers; the words are taken
from the bytes as they stand in a packet.
"""

import ipaddress
import math
import struct

MASK64 = (1 << 64) - 1
PRIMES = (2, 3, 5, 7, 11, 13, 17, 19, 23)


def _fraction_of_root(number):
    """The first 64 bits of the fraction of the square root of `number`."""
    return math.isqrt(number << 128) & MASK64


def _fraction_of_golden_ratio():
    """(1 + sqrt 5) / 2: one more bit of the root is read, since it is halved."""
    return ((1 << 65) + math.isqrt(5 << 130)) // 4 & MASK64


def _rotate_left(value, bits):
    return (value << bits | value >> (64 - bits)) & MASK64


def flow_hash(seed, source, destination, source_port, destination_port, protocol):
    """The 64-bit hash of a flow, v4 or v6 by its addresses."""
    packet = ipaddress.ip_address(source).packed + ipaddress.ip_address(destination).packed
    words = list(struct.unpack(f"<{len(packet) // 4}I", packet))
    ports = struct.pack(">HH", source_port, destination_port)
    words.append(struct.unpack("<I", ports)[0] | protocol << 32)

    total = seed
    for index, word in enumerate(words):
        key = _rotate_left(seed, 7 * index) ^ _fraction_of_root(PRIMES[index])
        total += word * key
    total &= MASK64
    total = (total ^ total >> 32) * _fraction_of_golden_ratio() & MASK64
    return total ^ total >> 32


def source_hash(seed, source, bits):
    """The hash of a client: of the first `bits` bits of its address; everything else is 0."""
    network = ipaddress.ip_network((str(source), bits), strict=False).network_address
    return flow_hash(seed, network, type(network)(0), 0, 0, 0)


def ring_slot(hash_value, ring_size):
    """The slot of a ring: the high half of the hash as a fraction of 2^32, times the size."""
    return (hash_value >> 32) * ring_size // (1 << 32)
