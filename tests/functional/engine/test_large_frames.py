"""Frames larger than a page, where the interface takes them: received and sent in several pieces."""

import hashlib
import os
import platform

import pytest

from support.engine_lab import URL, VIP, prepare, wait_for_service

MTU = 9000


@pytest.fixture
def lab(make_lab):
    version = tuple(int(part) for part in platform.release().split("-")[0].split(".")[:2])
    if version < (6, 6):
        pytest.skip(f"AF_XDP takes packets of several frames from Linux 6.6 on; this is {platform.release()}")
    lab = prepare(make_lab, backends=1, hugepages="none")
    for host in (lab.balancer, lab.client, *lab.backends):
        host.ip(f"link set eth0 mtu {MTU}")
    lab.router.ip(f"link set edge mtu {MTU}", *[f"link set {device} mtu {MTU}"
                                                for device in ("client", "balancer", "b1")])
    lab.balancer.start_both()
    wait_for_service(lab)
    return lab


def test_large_pings_are_answered_in_one_packet(lab):
    """Also many at once, so that buffers for large packets come back."""
    for size in (MTU - 28, 4000, 3400, 8):
        answer = lab.router.run("ping", "-c", "1", "-W", "5", "-M", "do", "-s", size, VIP).stdout
        assert f"{size + 8} bytes from {VIP}" in answer, answer
    flood = lab.router.run("ping", "-q", "-c", "3000", "-i", "0.001", "-M", "do", "-s", MTU - 28, VIP,
                           timeout_s=60).stdout
    assert " 0% packet loss" in flood, flood
    drops = {row["reason"]: row["packets"] for row in lab.balancer.lbctl("-o", "json", "drops").json()["drops"]}
    assert drops["too_big"] == 0 and drops["transmit_full"] == 0


def test_an_upload_of_large_segments_arrives_whole(lab):
    content = os.urandom(16 << 20)
    path = lab.client.directory / "upload"
    path.write_bytes(content)
    assert lab.client.upload(URL + "upload/large", path) in (201, 204)
    assert lab.backends[0].uploaded_sha256("large") == hashlib.sha256(content).hexdigest()
    sent = lab.balancer.metric("fairlead_port_transmit_packets_total", port="edge")
    assert sent < len(content) / 4000, f"{sent} packets: the client sent segments of 8,960 bytes"
