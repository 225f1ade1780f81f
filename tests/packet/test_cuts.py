"""Packets that may be fragmented and do not fit: the pieces that leave, against the procedure of RFC 791, 3.2."""

import pytest
from scapy.layers.inet import IP, IPOption, IPOption_NOP, IPOption_Router_Alert, defragment
from scapy.layers.l2 import Ether
from scapy.packet import Raw

import scene
from oracle import headers
from scene import BY_NAME, EDGE, ether, expected, header_bytes, ip_to, overhead, transport_to, usual_hash
from test_table import run_lines, tables, verdict_of

V4 = [service for service in scene.SINGLE if not scene.is_v6(service)]


def datagram(service, size, payload_only=False, **ip):
    """A frame of this many bytes of payload behind IP and transport header, which may be fragmented."""
    payload = bytes(i * 7 % 251 for i in range(size))
    transport = Raw(payload) if payload_only else transport_to(service) / Raw(payload)
    return bytes(ether() / ip_to(service, **{"flags": 0, **ip}) / transport)


def options_to_copy(options):
    """RFC 791, 3.1: the highest bit of the type says whether an option goes into every fragment."""
    kept, at = b"", 0
    while at < len(options) and options[at] != 0:
        length = 1 if options[at] == 1 else options[at + 1]
        if options[at] & 0x80:
            kept += options[at : at + length]
        at += length
    return kept + b"\0" * (-len(kept) % 4)


def cut(packet, room):
    """The fragments of an IPv4 packet for a link that takes `room` bytes (RFC 791, 3.2)."""
    size = 4 * (packet[0] & 0x0F)
    header, data = packet[:size], packet[size:]
    flags = int.from_bytes(header[6:8], "big")
    base, more = flags & 0x1FFF, flags & 0x2000
    step = (room - size) // 8 * 8
    pieces = []
    for start in range(0, len(data), step):
        part = data[start : start + step]
        options = header[20:] if start == 0 or base else options_to_copy(header[20:])
        is_last = start + step >= len(data)
        field = (flags & 0x8000) | (0x2000 if not is_last or more else 0) | (base + start // 8)
        fresh = bytes([0x40 | (5 + len(options) // 4), header[1]]) + (20 + len(options) + len(part)).to_bytes(2, "big")
        fresh += header[4:6] + field.to_bytes(2, "big") + header[8:10] + b"\0\0" + header[12:20] + options
        fresh = fresh[:10] + headers.internet_checksum(fresh).to_bytes(2, "big") + fresh[12:]
        pieces.append(fresh + part)
    return pieces


def expected_pieces(service, frame):
    _, packet = headers.ip_packet(frame)
    fitting = cut(packet, EDGE.mtu - overhead(service))
    return [expected(service, frame[:14] + piece, flow=usual_hash(service)) for piece in fitting]


def forward(frames, **request):
    answers = run_lines(tables(), [{"frame": frame.hex(), **request} for frame in frames])
    return answers[:-1], answers[-1]


def frames_of(answer):
    return [bytes.fromhex(text) for text in [answer["frame"], *answer.get("more", [])]]


@pytest.mark.parametrize("service", V4, ids=[service.name for service in V4])
@pytest.mark.parametrize("extra", [1, 2, 7, 8, 9, 500, 1500, 3000, 6001])
def test_the_pieces_are_those_of_the_rfc(service, extra):
    frame = datagram(service, EDGE.mtu - overhead(service) - header_bytes(service) + extra)
    [answer], counters = forward([frame + b"\xee" * 3])
    assert verdict_of(answer) == "transmit"
    pieces = frames_of(answer)
    assert [piece.hex() for piece in pieces] == [piece.hex() for piece in expected_pieces(service, frame)]
    assert len(pieces) >= 2 and all(len(piece) <= 14 + EDGE.mtu for piece in pieces)
    assert counters["packets"] == 1 and counters["dropped"] == {}


@pytest.mark.parametrize("service", V4, ids=[service.name for service in V4])
def test_scapy_puts_them_together_again(service):
    frame = datagram(service, 4000)
    [answer], _ = forward([frame])
    packets = [Ether(piece).payload for piece in frames_of(answer)]
    if service.forwarding != "l2":
        packets = [IP(bytes(packet)[overhead(service) :]) for packet in packets]
    whole = defragment([IP(bytes(packet)) for packet in packets])
    assert len(whole) == 1 and bytes(whole[0].payload) == frame[34:]


@pytest.mark.parametrize("service", V4, ids=[service.name for service in V4])
def test_a_piece_is_cut_further(service):
    first = datagram(service, 3000 - (header_bytes(service) - 20), flags="MF", id=99)
    later = datagram(service, 2400, payload_only=True, flags="MF", frag=375, id=99,
                     proto={"tcp": 6, "udp": 17}[service.protocol])
    last = datagram(service, 1501, payload_only=True, frag=675, id=99, proto={"tcp": 6, "udp": 17}[service.protocol])
    answers, _ = forward([first, later, last])
    for frame, answer in zip((first, later, last), answers):
        assert [p.hex() for p in frames_of(answer)] == [p.hex() for p in expected_pieces(service, frame)]


@pytest.mark.parametrize("service", V4, ids=[service.name for service in V4])
def test_options_go_where_they_belong(service):
    for options in ([IPOption_Router_Alert()], [IPOption_NOP(), IPOption(b"\x44\x04\x05\x00"), IPOption_Router_Alert()],
                    [IPOption(b"\x44\x04\x05\x00")]):
        frame = datagram(service, 3000, options=options)
        [answer], _ = forward([frame])
        assert [p.hex() for p in frames_of(answer)] == [p.hex() for p in expected_pieces(service, frame)]


def test_what_must_not_or_cannot_be_cut_stays_as_it_was():
    udp = BY_NAME["names"]
    for frame, headroom, reason in (
        (datagram(udp, 2000, flags="DF"), 64, "reply:too_big"),
        (datagram(udp, 2000), 63, "no_headroom"),
        (datagram(udp, 1480 * 9 + 1), 64, "no_spare_buffer"),
    ):
        [answer], counters = forward([frame], headroom=headroom)
        assert verdict_of(answer) == reason
        assert "more" not in answer
        if reason.startswith("reply:"):  # reply_rows.py has what it says
            continue
        assert answer["frame"] == frame.hex()
        assert counters["dropped"] == {reason: 1}
