"""Real transfers through the balancer, byte for byte, and replies that go past it."""

import pytest
from support.lab import http_url
from support.lending import HTTP_SERVICES, NOTIFICATIONS, URLS

IDS = [f"{name}-{forwarding}-{'v6' if ':' in vip else 'v4'}" for name, vip, _, _, forwarding in HTTP_SERVICES]
every_service = pytest.mark.parametrize("service", HTTP_SERVICES, ids=IDS)


def counters(lab):
    stats = lab.balancer.link("eth0")["stats64"]
    return stats["rx"]["bytes"], stats["tx"]["bytes"]


@every_service
def test_downloads_arrive_byte_for_byte_from_every_backend(platform, service):
    url = http_url(service[1], "/files/large")
    before = {backend.name: backend.requests(vip=service[1]) for backend in platform.backends}
    for _ in range(40):
        assert platform.client.sha256_of(url) == platform.large_sha256
        if all(backend.requests(vip=service[1]) > before[backend.name] for backend in platform.backends):
            return
    pytest.fail(f"40 downloads did not meet every backend: {before}")


@every_service
def test_uploads_arrive_byte_for_byte_at_every_backend(platform, service):
    stored = {}
    for number in range(40):
        name = f"{service[0]}-{number}"
        assert platform.client.upload(http_url(service[1], f"/upload/{name}"), platform.files / "large") == 201
        found = [b.name for b in platform.backends if b.uploaded_sha256(name) == platform.large_sha256]
        assert len(found) == 1
        stored[found[0]] = name
        if len(stored) == len(platform.backends):
            return
    pytest.fail(f"40 uploads did not meet every backend: {stored}")


@every_service
def test_replies_go_past_the_balancer_and_requests_through_it(platform, service):
    rx_before, tx_before = counters(platform)
    assert platform.client.sha256_of(http_url(service[1], "/files/large")) == platform.large_sha256
    rx, tx = counters(platform)
    # Acknowledgements alone: a frame of some 66 to 126 bytes for two segments of the download.
    assert 0 < rx - rx_before < platform.large_bytes / 10
    assert 0 < tx - tx_before < platform.large_bytes / 10

    rx_before, tx_before = counters(platform)
    url = http_url(service[1], f"/upload/through-{service[0]}")
    assert platform.client.upload(url, platform.files / "large") == 201
    rx, tx = counters(platform)
    assert rx - rx_before > platform.large_bytes
    assert tx - tx_before > platform.large_bytes


def test_datagrams_are_answered_from_the_vip_by_every_backend(platform):
    answers = {platform.client.udp(*NOTIFICATIONS, f"hello {number}") for number in range(40)}
    assert None not in answers
    assert {answer.split()[0] for answer in answers} == {backend.name for backend in platform.backends}


def test_both_workers_forward(platform):
    for url in URLS.values():
        platform.client.wrk(url, seconds=1, connections=8)
    packets = {labels: value for (name, labels), value in platform.balancer.metrics().items()
               if name == "fairlead_worker_packets_total"}
    assert len(packets) == 2 and all(value > 100 for value in packets.values()), packets


def test_what_is_not_for_a_vip_reaches_the_balancers_kernel(platform):
    for address in ("10.2.0.2", "fd00:2::2"):
        platform.client.run("ping", "-c", "3", "-i", "0.2", "-W", "2", address)
        # A port that nobody listens on is refused by the kernel, at once.
        refused = platform.client.run("curl", "-sS", "--globoff", "--max-time", "3", http_url(address), check=False)
        assert refused.returncode == 7, refused.stderr  # CURLE_COULDNT_CONNECT; a timeout is 28
