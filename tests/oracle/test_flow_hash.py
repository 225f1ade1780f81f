"""The flow hash and the slot that it chooses, against the oracle."""

import ipaddress
import random

from oracle import flow_hash
from oracle.dumper import ask


def _random_flow(rng):
    address = rng.choice([ipaddress.IPv4Address, ipaddress.IPv6Address])
    bits = 32 if address is ipaddress.IPv4Address else 128
    # Whole, sparse and nearly equal addresses: a carry or a word forgotten shows in different ones.
    near = rng.getrandbits(bits)
    choices = [rng.getrandbits(bits), 1 << rng.randrange(bits), near, near ^ 1, 0, (1 << bits) - 1]
    seed = rng.choice([rng.getrandbits(64), 0, 1, (1 << 64) - 1])
    source, destination = address(rng.choice(choices)), address(rng.choice(choices))
    return (seed, source, destination, rng.getrandbits(16), rng.getrandbits(16), rng.choice([6, 17, 1, 255]))


def _is_mapped(flow):
    """::ffff:a.b.c.d is how the program spells a v4 address; no packet that it hashes carries one."""
    return any(getattr(address, "ipv4_mapped", None) for address in flow[1:3])


def test_hash_and_slot_of_20000_random_flows():
    rng = random.Random(1)
    flows = [flow for flow in (_random_flow(rng) for _ in range(20000)) if not _is_mapped(flow)]
    sizes = [rng.choice([65537, 655373, 7, 1, 2**24]) for _ in flows]
    requests = [
        f"hash {flow[0]:x} {' '.join(map(str, flow[1:]))} {size}" for flow, size in zip(flows, sizes)
    ]
    for flow, size, answer in zip(flows, sizes, ask("dump_maglev", requests)):
        expected = flow_hash.flow_hash(*flow)
        assert answer == f"{expected:x} {flow_hash.ring_slot(expected, size)}", flow


def test_the_headers_worked_example():
    value = flow_hash.flow_hash(0x0123456789ABCDEF, "192.0.2.1", "203.0.113.10", 1024, 443, 6)
    assert value == 0xA0547AF4B57B0B92
    assert flow_hash.ring_slot(value, 65537) == 41045


def test_source_hash_of_20000_random_clients():
    rng = random.Random(2)
    flows = [flow for flow in (_random_flow(rng) for _ in range(20000)) if not _is_mapped(flow)]
    asked = [(seed, source, rng.randint(0, source.max_prefixlen)) for seed, source, *_ in flows]
    answers = ask("dump_maglev", [f"source {seed:x} {source} {bits}" for seed, source, bits in asked])
    for (seed, source, bits), answer in zip(asked, answers):
        assert answer == f"{flow_hash.source_hash(seed, source, bits):x}", (seed, source, bits)


def test_a_prefix_is_one_client():
    addresses = ["198.51.100.0", "198.51.100.7", "198.51.100.255", "198.51.101.0"]
    answers = ask("dump_maglev", [f"source 1 {address} 24" for address in addresses])
    assert len(set(answers[:3])) == 1 and answers[3] != answers[0]
