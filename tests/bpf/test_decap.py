"""bpf/decap.bpf.c on single frames: what goes in, what the program says, what comes out.

Frames are made by scapy, and the expected ones too: from the packet that was put into the tunnel, not by taking
bytes off. The kernel runs the program (BPF_PROG_TEST_RUN) in tests/bpf/decap_runner.
"""

import json
import os
import pathlib
import subprocess
import types

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_NOP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrRouting
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Raw

import decap_tunnels

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("FAIRLEAD_BUILD", REPOSITORY / "build" / "release")).resolve()
RUNNER = BUILD / "tests" / "bpf" / "decap_runner"
DROP, PASS = 1, 2

VIP, VIP6 = "203.0.113.10", "2001:db8::10"
SERVER, SERVER6 = "10.0.4.1", "fd00:4::1"
BALANCER, BALANCER6 = "10.0.1.2", "2001:db8:1::2"
CLIENT, CLIENT6 = "198.51.100.7", "2001:db8:c::7"
TABLES = {
    "vips": [VIP, VIP6, "203.0.113.11"],
    "endpoints": [SERVER, SERVER6],
    "balancers": [BALANCER + "/32", BALANCER6 + "/128", "10.8.0.0/16", "fd00:1::/64"],
}
MAC = Ether(dst="02:00:00:00:04:01", src="02:00:00:00:01:02")


def outer(**fields):
    return IP(**{"src": BALANCER, "dst": SERVER, "ttl": 64, "id": 7, "proto": 4, **fields})


def outer6(**fields):
    return IPv6(**{"src": BALANCER6, "dst": SERVER6, "hlim": 64, "nh": 41, **fields})


def inner(payload=TCP(sport=40000, dport=443, flags="S"), **fields):
    return IP(**{"src": CLIENT, "dst": VIP, "ttl": 57, "id": 99, "flags": "DF", **fields}) / payload


def inner6(payload=TCP(sport=40000, dport=443, flags="S"), **fields):
    return IPv6(**{"src": CLIENT6, "dst": VIP6, "hlim": 57, "fl": 0x12345, **fields}) / payload


def cut(packet, size):
    """The packet's first bytes, as a frame that lost its end."""
    return bytes(packet)[:size]


CASES = []


def case(description, frame, verdict, outcome=None, out=None):
    """outcome: the one counter that rises, if any. out: the frame afterwards, if the program changes it."""
    CASES.append(pytest.param(frame, verdict, outcome, out, id=description))


def unpacked(description, tunnel, packet, expected=None, padding=b""):
    expected = packet if expected is None else expected
    case(description, bytes(MAC / tunnel / packet) + padding, PASS, "decapsulated", bytes(MAC / expected) + padding)


# ---- unpacked ---------------------------------------------------------------------------------------
unpacked("a SYN in 4in4 comes out as the client sent it", outer(), inner())
unpacked("a SYN in 6in6 comes out as the client sent it", outer6(), inner6())
unpacked("UDP in 4in4", outer(), inner(UDP(sport=5, dport=53) / b"question"))
unpacked("UDP in 6in6", outer6(), inner6(UDP(sport=5, dport=53) / b"question"))
unpacked("a full-size segment in 4in4", outer(), inner(TCP(dport=443, flags="A") / Raw(b"x" * 1460)))
unpacked("a full-size segment in 6in6", outer6(), inner6(TCP(dport=443, flags="A") / Raw(b"x" * 1440)))
unpacked("a jumbo segment in 4in4", outer(), inner(TCP(dport=443, flags="A") / Raw(b"j" * 8900)))
unpacked("a jumbo segment in 6in6", outer6(), inner6(TCP(dport=443, flags="A") / Raw(b"j" * 8900)))
unpacked("ICMP for the VIP", outer(), inner(ICMP()))
unpacked("another VIP", outer(), inner(dst="203.0.113.11"))
unpacked("a fragment inside is a whole packet to the tunnel", outer(),
         inner(Raw(b"f" * 64), flags=0, frag=185, proto=17))
unpacked("a fragment header inside stays", outer6(), inner6(IPv6ExtHdrFragment(offset=8, nh=17) / Raw(b"f" * 64)))
unpacked("options inside stay", outer(), inner(options=[IPOption_NOP()] * 40))
unpacked("extension headers inside stay", outer6(), inner6(IPv6ExtHdrDestOpt() / TCP(dport=443)))
unpacked("options outside go, the shortest", outer(options=[IPOption_NOP()] * 4), inner())
unpacked("options outside go, the longest", outer(options=[IPOption_NOP()] * 40), inner())
unpacked("Ethernet padding stays behind the packet", outer(), inner(UDP(dport=53)), padding=b"\0" * 6)
unpacked("the outer packet may have room to spare", outer(len=20 + 40 + 6), inner(), padding=b"\0" * 6)
unpacked("an inner packet without a payload", outer(), IP(src=CLIENT, dst=VIP, proto=6))
unpacked("an inner packet without a payload, v6", outer6(), IPv6(src=CLIENT6, dst=VIP6, nh=59))
unpacked("a balancer known by a prefix", outer(src="10.8.255.1"), inner())
unpacked("a balancer known by a prefix, v6", outer6(src="fd00:1::dead"), inner6())
unpacked("the DF bit outside is no fragment", outer(flags="DF"), inner())
unpacked("the outer TTL does not matter", outer(ttl=1), inner())
unpacked("the inner checksum is the kernel's to judge", outer(), inner(chksum=0x1234))
unpacked("outer DSCP does not come in", outer(tos=0xB8), inner(tos=0x28))

# ---- ECN: RFC 6040, figure 4: rows are the inner field, columns the outer one -----------------------------
NOT_ECT, ECT1, ECT0, CE = 0, 1, 2, 3
FIGURE_4 = {
    NOT_ECT: {NOT_ECT: NOT_ECT, ECT0: NOT_ECT, ECT1: NOT_ECT, CE: None},
    ECT0: {NOT_ECT: ECT0, ECT0: ECT0, ECT1: ECT1, CE: CE},
    ECT1: {NOT_ECT: ECT1, ECT0: ECT1, ECT1: ECT1, CE: CE},
    CE: {NOT_ECT: CE, ECT0: CE, ECT1: CE, CE: CE},
}
for inside, row in FIGURE_4.items():
    for outside, result in row.items():
        name = f"ECN {inside:02b} inside, {outside:02b} outside"
        if result is None:
            case(name, MAC / outer(tos=outside) / inner(tos=inside), DROP, "congestion-unmarkable")
            case(name + ", v6", MAC / outer6(tc=outside) / inner6(tc=inside), DROP, "congestion-unmarkable")
            continue
        unpacked(name, outer(tos=0xB8 | outside), inner(tos=0x28 | inside), inner(tos=0x28 | result))
        unpacked(name + ", v6", outer6(tc=0xB8 | outside), inner6(tc=0x28 | inside), inner6(tc=0x28 | result))

# ---- the kernel's, untouched and not counted ----------------------------------------------------------
case("plain traffic to the server", MAC / IP(src=CLIENT, dst=SERVER) / TCP(dport=22), PASS)
case("plain traffic to the server, v6", MAC / IPv6(src=CLIENT6, dst=SERVER6) / TCP(dport=22), PASS)
case("a VIP's packet that came by l2", MAC / inner(), PASS)
case("a VIP's packet that came by l2, v6", MAC / inner6(), PASS)
case("ARP", MAC / ARP(pdst=VIP), PASS)
case("a tunnel to another host", MAC / outer(dst="10.0.4.2") / inner(), PASS)
case("a tunnel to another host, v6", MAC / outer6(dst="fd00:4::2") / inner6(), PASS)
case("a tunnel to the VIP itself", MAC / outer(dst=VIP) / inner(), PASS)
case("a VLAN tag", MAC / Dot1Q(vlan=7) / outer() / inner(), PASS)
case("extension headers before the tunnel", MAC / outer6(nh=60) / IPv6ExtHdrDestOpt(nh=41) / inner6(), PASS)
case("a routing header before the tunnel", MAC / outer6(nh=43) / IPv6ExtHdrRouting(nh=41) / inner6(), PASS)
case("an outer header of less than five words", MAC / outer(ihl=4) / inner(), PASS)
case("IPv4's EtherType over version 6", MAC / outer(version=6) / inner(), PASS)
case("IPv6's EtherType over version 4", MAC / outer6(version=4) / inner6(), PASS)
case("a frame that ends in the outer header", cut(MAC / outer() / inner(), 14 + 19), PASS)
case("a frame that ends in the outer header, v6", cut(MAC / outer6() / inner6(), 14 + 39), PASS)
case("a frame with an EtherType and no more", cut(MAC / outer() / inner(), 14), PASS)
case("a fragment header that is cut off", cut(MAC / outer6(nh=44), 14 + 40), PASS)
case("a fragment of something else", MAC / outer6(nh=44) / IPv6ExtHdrFragment(nh=17) / Raw(b"x" * 8), PASS)

# ---- dropped, each with its reason ------------------------------------------------------------------
case("a stranger's tunnel", MAC / outer(src="10.0.1.3") / inner(), DROP, "source-not-allowed")
case("a stranger's tunnel, v6", MAC / outer6(src="2001:db8:1::3") / inner6(), DROP, "source-not-allowed")
case("just outside of the prefix", MAC / outer(src="10.9.0.0") / inner(), DROP, "source-not-allowed")
case("just outside of the prefix, v6", MAC / outer6(src="fd00:1:0:1::") / inner6(), DROP, "source-not-allowed")
case("a v4-mapped balancer in an IPv6 header", MAC / outer6(src="::ffff:10.0.1.2") / inner6(), DROP,
     "source-not-allowed")
case("a stranger's fragment is a stranger's", MAC / outer(src="10.0.1.3", flags="MF") / inner(), DROP,
     "source-not-allowed")
case("the first outer fragment", MAC / outer(flags="MF") / inner(), DROP, "outer-fragment")
case("a later outer fragment", MAC / outer(frag=3) / Raw(b"x" * 40), DROP, "outer-fragment")
case("the last offset", MAC / outer(frag=0x1FFF) / Raw(b"x" * 40), DROP, "outer-fragment")
case("an outer fragment, v6", MAC / outer6(nh=44) / IPv6ExtHdrFragment(nh=41, m=1) / inner6(), DROP, "outer-fragment")
case("an outer length beyond the frame", MAC / outer(len=61) / inner(), DROP, "outer-malformed")
case("an outer length beyond the frame, v6", MAC / outer6(plen=61) / inner6(), DROP, "outer-malformed")
case("an outer length shorter than its header", MAC / outer(len=19) / inner(), DROP, "outer-malformed")
case("a wrong outer checksum", MAC / outer(chksum=0x1234) / inner(), DROP, "outer-malformed")
case("options that reach beyond the frame", cut(MAC / outer(options=[IPOption_NOP()] * 40), 14 + 40), DROP,
     "outer-malformed")
case("nothing inside", MAC / outer(), DROP, "inner-malformed")
case("nothing inside, v6", MAC / outer6(), DROP, "inner-malformed")
case("19 bytes inside", MAC / outer() / Raw(cut(inner(), 19)), DROP, "inner-malformed")
case("39 bytes inside, v6", MAC / outer6() / Raw(cut(inner6(), 39)), DROP, "inner-malformed")
case("ESP", MAC / outer(proto=50) / Raw(b"\0" * 40), PASS)
case("IPv6 inside what announces IPv4", MAC / outer() / inner6(), DROP, "inner-malformed")
case("IPv4 inside what announces IPv6", MAC / outer6() / inner(), DROP, "inner-malformed")
case("an inner header of less than five words", MAC / outer() / inner(ihl=4), DROP, "inner-malformed")
case("an inner length beyond the outer one", MAC / outer() / inner(len=41), DROP, "inner-malformed")
case("an inner length beyond the outer one, v6", MAC / outer6() / inner6(plen=21), DROP, "inner-malformed")
case("an inner length shorter than its header", MAC / outer() / inner(len=19), DROP, "inner-malformed")
case("padding is no room for the inner packet", MAC / outer(len=60) / inner(len=46) / Raw(b"\0" * 6), DROP,
     "inner-malformed")
case("an inner packet for no VIP", MAC / outer() / inner(dst="203.0.113.12"), DROP, "inner-not-vip")
case("an inner packet for no VIP, v6", MAC / outer6() / inner6(dst="2001:db8::11"), DROP, "inner-not-vip")
case("an inner packet for the server itself", MAC / outer() / inner(dst=SERVER), DROP, "inner-not-vip")
case("a v4-mapped VIP in an IPv6 header", MAC / outer6() / inner6(dst="::ffff:203.0.113.10"), DROP, "inner-not-vip")
case("a tunnel in the tunnel is for no VIP", MAC / outer() / outer() / inner(), DROP, "inner-not-vip")

decap_tunnels.add(types.SimpleNamespace(
    case=case, outer=outer, outer6=outer6, inner=inner, inner6=inner6, MAC=MAC))


@pytest.fixture(scope="module")
def run():
    """run(frames): what the program does with each, from one load of it."""
    if os.geteuid() != 0:
        pytest.skip("loading a BPF program needs root")
    assert RUNNER.exists(), f"no {RUNNER}: build first, with tools/test --only build"

    def go(frames, tables=TABLES):
        request = {**tables, "frames": [bytes(frame).hex() for frame in frames]}
        done = subprocess.run([RUNNER], input=json.dumps(request), capture_output=True, text=True, check=False,
                              timeout=60)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return go


@pytest.fixture(scope="module")
def judged(run):
    """The result of each case, from one load for all."""
    return run([case.values[0] for case in CASES])


@pytest.mark.parametrize("number", range(len(CASES)), ids=[case.id for case in CASES])
def test_frame(judged, number):
    frame, verdict, outcome, out = CASES[number].values
    result = judged[number]
    assert result["outcomes"] == ({outcome: 1} if outcome else {})
    assert result["verdict"] == verdict
    if verdict == PASS:
        assert result["frame"] == (bytes(frame) if out is None else out).hex()


@pytest.mark.parametrize("tunnel, packet", [(outer, inner), (outer6, inner6)], ids=["4in4", "6in6"])
def test_a_frame_cut_anywhere_is_never_unpacked(run, tunnel, packet):
    whole = bytes(MAC / tunnel() / packet())
    results = run([whole[:size] for size in range(14, len(whole))])
    assert all("decapsulated" not in result["outcomes"] for result in results)
    assert all(result["verdict"] == PASS or sum(result["outcomes"].values()) == 1 for result in results)


def test_every_single_bit_of_the_outer_ipv4_header_is_under_its_checksum(run):
    whole = bytearray(bytes(MAC / outer() / inner()))
    frames = []
    for bit in range(14 * 8, 34 * 8):
        frame = bytearray(whole)
        frame[bit // 8] ^= 0x80 >> bit % 8
        frames.append(frame)
    assert all("decapsulated" not in result["outcomes"] for result in run(frames))


def test_the_log_learns_who_was_refused(run):
    first, second = run([MAC / outer(src="10.0.1.3") / inner(), MAC / outer6(src="2001:db8:1::3") / inner6()])
    assert bytes.fromhex(first["refused_source"]) == bytes([10, 0, 1, 3])
    sources = (first["refused_source"], second["refused_source"])
    assert bytes.fromhex(sources[1]).hex() in ("20010db8000100000000000000000003", sources[0])


def test_without_balancers_vips_or_endpoints_nothing_is_unpacked(run):
    for missing, outcome in (("vips", "inner-not-vip"), ("balancers", "source-not-allowed"), ("endpoints", None)):
        [result] = run([MAC / outer() / inner()], {**TABLES, missing: []})
        assert result["outcomes"] == ({outcome: 1} if outcome else {}), missing
