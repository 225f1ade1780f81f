"""The Maglev ring, from section 3.4 of the paper (Eisenbud et al., NSDI 2016) and from the theory of
operation in ctl/maglev/maglev.h, by exact numbers and sorted lists."""

import math
from fractions import Fraction

from oracle.siphash import MASK64, siphash24

OFFSET_KEY = b"fairlead: offset"
SKIP_KEY = b"fairlead:   skip"
GOLDEN = 0x9E3779B97F4A7C15


def visits(name, size):
    """(offset, skip) of a backend; `name` is bytes."""
    return siphash24(OFFSET_KEY, name) % size, siphash24(SKIP_KEY, name) % (size - 1) + 1


def shares(weights, size):
    """The slots of each backend, by largest remainder; `weights` in the order of the names."""
    total = sum(weights)
    if total == 0:
        return [0 for _ in weights]
    exact = [Fraction(size * weight, total) for weight in weights]
    result = [int(share) for share in exact]
    by_remainder = sorted(range(len(weights)), key=lambda i: (int(exact[i]) - exact[i], i))
    for i in by_remainder[: size - sum(result)]:
        result[i] += 1
    return result


def fill(permutations, weights, size):
    """The ring as a list of positions, None where there is no owner. The turns of all backends are
    written down with their times and sorted; then each turn takes the first free slot."""
    scale = math.lcm(*(weight for weight in weights if weight))  # makes all times whole numbers
    turns = sorted(
        (turn * scale // weight, -weight, backend)
        for backend, (weight, share) in enumerate(zip(weights, shares(weights, size)))
        for turn in range(share)
    )
    ring = [None] * size
    seen = [0] * len(weights)
    for _, _, backend in turns:
        offset, skip = permutations[backend]
        while True:
            slot = (offset + seen[backend] * skip) % size
            seen[backend] += 1
            if ring[slot] is None:
                ring[slot] = backend
                break
    return ring


def build(backends, size):
    """`backends` maps names (bytes) to weights; the ring is a list of names."""
    names = sorted(backends)
    ring = fill([visits(name, size) for name in names], [backends[name] for name in names], size)
    return [None if owner is None else names[owner] for owner in ring]


def fingerprint(ring):
    """32 bits over a ring of names, as build() returns it."""
    identities = {name: siphash24(OFFSET_KEY, name) for name in set(ring) - {None}}
    value = len(ring)
    for name in ring:
        value = (value ^ identities.get(name, 0)) * GOLDEN & MASK64
        value ^= value >> 32
    return value & 0xFFFFFFFF
