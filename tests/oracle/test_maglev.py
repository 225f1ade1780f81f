"""The Maglev ring and its fingerprint, against the oracle; and the oracle against the papers."""

import random

from oracle import maglev, siphash
from oracle.dumper import ask

PRIMES = [2, 3, 5, 7, 11, 13, 31, 61, 101, 127, 251, 509, 1009]


def _random_name(rng):
    return bytes(rng.randrange(256) for _ in range(rng.choice([1, 2, 7, 8, 9, 15, 16, 40])))


def _random_weight(rng):
    return rng.choice([0, 1, 1, 1, 2, 3, 10, 256, rng.randrange(257), rng.randrange(2**32)])


def _random_set(rng, largest):
    """A dictionary in random order: equal weights, few different ones, or any."""
    count = rng.randrange(largest + 1)
    names = {_random_name(rng) for _ in range(count)} | {b"app-%d" % i for i in range(count // 2)}
    kind = rng.randrange(3)
    weight = {
        0: lambda: 1,
        1: lambda: rng.choice([1, 2, 10]),
        2: lambda: _random_weight(rng),
    }[kind]
    backends = [(name, weight()) for name in names]
    rng.shuffle(backends)
    return dict(backends)


def _request(backends, size):
    return " ".join([f"ring {size}"] + [f"{weight} {name.hex()}" for name, weight in backends.items()])


def _names(answer, backends):
    """An answer to `ring`, with names in place of positions, and the fingerprint."""
    names = list(backends)
    *owners, fingerprint = answer.split()
    return [None if owner == "-" else names[int(owner)] for owner in owners], int(fingerprint)


def _compare(cases):
    for (backends, size), answer in zip(cases, ask("dump_maglev", [_request(*case) for case in cases])):
        ring, fingerprint = _names(answer, backends)
        assert ring == maglev.build(backends, size), (backends, size)
        assert fingerprint == maglev.fingerprint(ring), (backends, size)


def test_3000_random_sets():
    rng = random.Random(2)
    _compare([(_random_set(rng, 30), rng.choice(PRIMES)) for _ in range(3000)])


def test_large_rings():
    rng = random.Random(3)
    heavy = {b"app-%d" % i: 1 for i in range(1000)} | {b"heavy": 256}
    lending = {b"portal-1": 10, b"portal-2": 10, b"portal-3": 20}
    _compare([(heavy, 65537), (lending, 65537), (_random_set(rng, 500), 65537)])


def test_2000_random_permutations():
    """Visits that no hash would give: equal ones, neighbors, the largest steps."""
    rng = random.Random(4)
    cases = []
    for _ in range(2000):
        size = rng.choice(PRIMES[3:])
        visits = [(rng.randrange(size), rng.randrange(1, size)) for _ in range(rng.randrange(1, 12))]
        visits += visits[: rng.randrange(3)]
        cases.append((visits, [_random_weight(rng) for _ in visits], size))
    requests = [
        " ".join([f"fill {size}"] + [f"{o} {s} {w}" for (o, s), w in zip(visits, weights)])
        for visits, weights, size in cases
    ]
    for case, answer in zip(cases, ask("dump_maglev", requests)):
        ring = [None if owner == "-" else int(owner) for owner in answer.split()]
        assert ring == maglev.fill(*case), case


def test_refusals_are_answers():
    answers = ask("dump_maglev", ["ring 8 1 61", "ring 7 1 61 1 61", "what"])
    assert [answer.split(":")[0] for answer in answers] == ["error"] * 3


def test_oracle_gives_the_papers_example():
    b0, b1, b2 = (3, 4), (0, 2), (3, 1)
    assert maglev.fill([b0, b1, b2], [1, 1, 1], 7) == [1, 0, 1, 0, 2, 2, 0]
    assert maglev.fill([b0, b2], [1, 1], 7) == [0, 0, 0, 0, 1, 1, 1]


def test_oracle_gives_the_siphash_papers_example():
    assert siphash.siphash24(bytes(range(16)), bytes(range(15))) == 0xA129CA6149BE45E5
