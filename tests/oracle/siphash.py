"""SipHash-2-4, from Aumasson and Bernstein, "SipHash: a fast short-input PRF" (2012), section 2."""

import struct

MASK64 = (1 << 64) - 1


def _rotate_left(value, bits):
    return (value << bits | value >> (64 - bits)) & MASK64


def _sip_round(v):
    """Figure 2.1: the left half works on v0 and v1, the right half on v2 and v3, then they cross."""
    for a, b, turn, last in ((0, 1, 13, True), (2, 3, 16, False), (2, 1, 17, True), (0, 3, 21, False)):
        v[a] = (v[a] + v[b]) & MASK64
        v[b] = _rotate_left(v[b], turn) ^ v[a]
        if last:
            v[a] = _rotate_left(v[a], 32)


def siphash24(key, message):
    """`key` is 16 bytes, `message` any; the result is a number of 64 bits."""
    k0, k1 = struct.unpack("<QQ", key)
    v = [
        k0 ^ 0x736F6D6570736575,
        k1 ^ 0x646F72616E646F6D,
        k0 ^ 0x6C7967656E657261,
        k1 ^ 0x7465646279746573,
    ]
    padded = message + bytes(7 - len(message) % 8) + bytes([len(message) % 256])
    for (word,) in struct.iter_unpack("<Q", padded):
        v[3] ^= word
        for _ in range(2):
            _sip_round(v)
        v[0] ^= word
    v[2] ^= 0xFF
    for _ in range(4):
        _sip_round(v)
    return v[0] ^ v[1] ^ v[2] ^ v[3]
