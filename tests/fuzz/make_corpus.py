"""Seeds for the fuzzers of the data plane, from the rows of the packet table: make_corpus.py [KIND...].

Writes corpus/KIND.hex beside this file, a seed a line: of each kind of row the shortest. The rows take long to make,
so what it writes is kept; run it again when rows of a new kind have come. KIND is packet, icmp, fragment or decap;
each fuzzer's file says how its input is read.
"""

import functools
import ipaddress
import pathlib
import struct
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path += [str(HERE.parent), str(HERE.parent / "packet"), str(HERE.parent / "bpf")]

ETHERNET = 14


@functools.cache
def table_rows():
    """Every row; imported here, as scapy takes its time."""
    import icmp_rows
    import neighbor_rows
    import reply_rows
    import table

    return [row for module in (table, icmp_rows, neighbor_rows, reply_rows) for row in module.rows()]


def shortest(items):
    """[(what makes it a kind of its own, seed)] to the shortest seed of each."""
    best = {}
    for kind, seed in items:
        if kind not in best or len(seed) < len(best[kind]):
            best[kind] = seed
    return list(best.values())


# Of the rig that the fuzzers forward by (tests/support/lending_rig.h).
VIPS = [ipaddress.ip_address(vip).packed for vip in ("203.0.113.10", "203.0.113.11", "2001:db8::10", "2001:db8::11")]
WAYS = 7  # as in packet_fuzz.cc


def packet_seeds():
    """What is forwarded by every way, the others each by one, in turn, so that every way meets every kind."""
    forwarded, others = [], []
    for row in table_rows():
        v4 = row.frame[12:14] == b"\x08\x00"
        destination = row.frame[30:34] if v4 else row.frame[38:54]
        protocol = row.frame[23:24] if v4 else row.frame[20:21]
        if row.verdict == "transmit" and destination in VIPS:
            forwarded.append(((destination, protocol), row.frame))
        elif row.verdict != "transmit":
            others.append(((row.verdict, row.frame[12:14], protocol), row.frame))
    for frame in shortest(forwarded):
        for way in range(WAYS):
            yield bytes([way, 64]) + frame
    for number, frame in enumerate(shortest(others)):
        yield bytes([number % WAYS, 64]) + frame


def icmp_seeds():
    found = []
    for row in table_rows():
        kind, ip = row.frame[12:14], row.frame[ETHERNET:]
        if kind == b"\x08\x00" and len(ip) >= 28 and ip[0] == 0x45 and ip[9] == 1:
            message, flags = ip[20:], 0
        elif kind == b"\x86\xdd" and len(ip) >= 48 and ip[6] == 58:
            message, flags = ip[40:], 1
        else:
            continue
        found.append(((row.verdict, flags, message[:2]), bytes([flags]) + message[:2] + message[4:]))
    # An echo reply that is all zero but for its checksum: findings stay.
    return [*shortest(found), bytes([0, 8, 0, 0, 0, 0, 0])]


def piece(payload, offset=0, more=False, worker=0, v6=False, datagram=0, udp=False, wait=0, low=0):
    head = worker | v6 << 1 | more << 2 | datagram << 3 | udp << 5 | wait << 6
    return bytes([head, offset, len(payload), low]) + payload


def fragment_seeds():
    """A datagram in three pieces in every order, over both workers and families, with what is refused among them."""
    udp = struct.pack("!HHHH", 40000, 514, 8 + 40, 0) + bytes(range(40))
    tcp = struct.pack("!HHIIBBHHH", 40000, 443, 1, 2, 0x50, 0x10, 1024, 0, 0) + bytes(28)
    for v6 in (False, True):
        for transport in (udp, tcp):
            common = {"v6": v6, "udp": transport is udp, "low": 8 if v6 and transport is udp else 0}
            whole = [piece(transport[:24], 0, True, **common), piece(transport[24:32], 3, True, **common),
                     piece(transport[32:], 4, False, **common)]
            for order in ((0, 1, 2), (2, 1, 0), (1, 0, 2), (2, 0, 1)):
                pieces = [whole[i] for i in order]
                yield b"".join(pieces)
                # Every second piece to the other worker, and time between them.
                yield b"".join(bytes([p[0] ^ (number & 1) | number << 6]) + p[1:] for number, p in enumerate(pieces))
            yield whole[0] + piece(transport[16:32], 2, True, **common) + whole[2]  # an overlap
            yield piece(transport[:8], 0, True, **common) + whole[2]                # a tiny first one
            yield piece(b"", 3, True, **common) + piece(transport, 255, True, **common)
            yield bytes([whole[2][0] | 3 << 6]) + whole[2][1:] + whole[0]           # too late


def decap_seeds():
    """What leaves in a tunnel, by outer and inner family and by what stands between."""
    found = []
    for row in table_rows():
        out = row.output
        if out and out != row.frame and len(out) > 80:
            protocol, middle = (out[23], out[34:]) if out[12] == 8 else (out[20], out[54:])
            inner = {47: middle[2:4], 17: middle[9:10]}.get(protocol, middle[0] >> 4)
            found.append(((row.verdict, out[12], protocol, inner), out))
    return shortest(found)


SEEDS = {"packet": packet_seeds, "icmp": icmp_seeds, "fragment": fragment_seeds, "decap": decap_seeds}


def main(kinds):
    for kind in kinds or SEEDS:
        seeds = sorted(SEEDS[kind](), key=lambda seed: (len(seed), seed))
        (HERE / "corpus").mkdir(exist_ok=True)
        (HERE / "corpus" / f"{kind}.hex").write_text("".join(f"{seed.hex()}\n" for seed in seeds))
        print(kind, len(seeds), "seeds")


if __name__ == "__main__":
    main(sys.argv[1:])
