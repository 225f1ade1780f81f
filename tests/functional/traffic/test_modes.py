"""Every tunnel between every two families: real downloads and uploads, byte for byte, from real backends."""

import os

import pytest
from support import api
from support.balancer import start_lbagent
from support.host import wait_until
from support.lab import Lab, http_url
from support.lending import BALANCER_ADDRESSES
from support.modes import MODE, NAMES, OVERHEAD, VIP, config

every_mode = pytest.mark.parametrize("name", NAMES)


@pytest.fixture(scope="module")
def tunnels(request, build_dir):
    """A lab in which every backend serves every service; lab.agents are the backends' lbagents."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    failed_before = request.session.testsfailed
    with Lab(build=build_dir, backends=2, vips=tuple(VIP.values()), file_bytes=4 << 20) as lab:
        vips = [word for vip in lab.vips for word in ("--vip", vip)]
        balancers = [word for address in BALANCER_ADDRESSES for word in ("--balancer", address)]
        is_ready = False
        try:
            lab.agents = [start_lbagent(backend, lab.build, "--interface", "eth0", *vips, *balancers)
                          for backend in lab.backends]
            lab.balancer.configure(config(lab, {b.name: b.addresses for b in lab.backends}))
            lab.balancer.start_both()
            wait_until("every backend serves", lambda: api.all_serve(lab.balancer), timeout_s=60)
            is_ready = True
            yield lab
        finally:
            if not is_ready or request.session.testsfailed > failed_before:
                print(lab.balancer.lbctl("backend", "list", check=False).out)
                print(lab.logs())


@every_mode
def test_a_download_arrives_byte_for_byte(tunnels, name):
    assert tunnels.client.sha256_of(http_url(VIP[name], "/files/large")) == tunnels.large_sha256


def sent_and_forwarded(lab, name):
    """Bytes that left the balancer beyond those that came, and packets that it forwarded for the service."""
    stats = lab.balancer.link("eth0")["stats64"]
    packets = lab.balancer.metric("fairlead_backend_forwarded_packets_total", service=name)
    return stats["tx"]["bytes"] - stats["rx"]["bytes"], packets


@every_mode
def test_an_upload_arrives_byte_for_byte_through_the_tunnel(tunnels, name):
    before = sent_and_forwarded(tunnels, name)
    url = http_url(VIP[name], f"/upload/{name}")
    assert tunnels.client.upload(url, tunnels.files / "large") == 201
    found = [b for b in tunnels.backends if b.uploaded_sha256(name) == tunnels.large_sha256]
    assert len(found) == 1
    added, packets = (now - then for now, then in zip(sent_and_forwarded(tunnels, name), before))
    # Each packet leaves with the outer headers and no byte more: 4 a packet would be seen, checks of the backends
    # blur it less. A veth counts the Ethernet header of what it sends, and not of what it hands to AF_XDP.
    assert packets > tunnels.large_bytes / 1460
    assert abs(added - packets * (14 + OVERHEAD[name])) < 9_000


@every_mode
def test_lbctl_tells_the_mode(tunnels, name):
    view = next(one for one in tunnels.balancer.lbctl("-o", "json", "service", "list").json()["services"]
                if one["name"] == name)
    assert view["forwarding"] == MODE[name][0]


def test_the_backends_took_every_tunnel_apart_and_refused_none(tunnels):
    for agent in tunnels.agents:
        text = agent.log.read_text()
        assert "tunnel-dropped" not in text, text
    dropped = {labels: value for (metric, labels), value in tunnels.balancer.metrics().items()
               if metric == "fairlead_dropped_packets_total" and value}
    assert not [labels for labels in dropped if dict(labels)["reason"] in ("too_big", "no_tunnel_source", "bad_tables")]
