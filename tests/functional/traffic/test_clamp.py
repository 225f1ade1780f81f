"""Tunnels over a path that has no room for them: 1,500 bytes everywhere, as between client and router.

The server would offer segments that fill such a packet. lbagent lowers the offer, so that the client's segments fit
with the tunnel's headers around them.
"""

import os
import re

import pytest
from support import api
from support.balancer import start_lbagent
from support.host import LabError, wait_until
from support.lab import Lab, http_url
from support.lending import BACKEND, BALANCER_ADDRESSES, SERVICE, head

MTU = 1500
# name: VIP, mode, family of the backend, and the MSS that the tunnel carries if it is GUE over IPv6, the largest.
SERVICES = {
    "gue-4in6": ("203.0.113.50", "gue", 6, 1408),
    "gue-6in6": ("2001:db8::50", "gue", 6, 1388),
    "gue-4in4": ("203.0.113.51", "gue", 4, 1408),
    "gre-6in4": ("2001:db8::51", "gre", 4, 1388),
    "ipip-4in6": ("203.0.113.52", "ipip", 6, 1408),
}
every_service = pytest.mark.parametrize("name", SERVICES)


def config(lab):
    text = head(lab)
    for name, (vip, mode, outer, _) in SERVICES.items():
        text += SERVICE.format(name=name, vip=f"[{vip}]:80" if ":" in vip else f"{vip}:80", protocol="tcp",
                               forwarding=mode, service_keys="")
        text += BACKEND.format(name="b1", address=lab.backends[0].addresses[outer], weight=10)
    return text


def start_agent(lab, *more):
    vips = [word for vip in lab.vips for word in ("--vip", vip)]
    balancers = [word for address in BALANCER_ADDRESSES for word in ("--balancer", address)]
    lab.agent = start_lbagent(lab.backends[0], lab.build, "--interface", "eth0", *vips, *balancers, *more)


@pytest.fixture(scope="module")
def narrow(request, build_dir):
    """A lab of one backend and a path of 1,500 bytes; lab.agent is its lbagent."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    failed_before = request.session.testsfailed
    with Lab(build=build_dir, backends=1, vips=[vip for vip, _, _, _ in SERVICES.values()], file_bytes=4 << 20) as lab:
        for host in (lab.balancer, *lab.backends):
            host.ip(f"link set eth0 mtu {MTU}")
            lab.router.ip(f"link set {host.name} mtu {MTU}")
        lab.router.ip(f"link set edge mtu {MTU}")
        is_ready = False
        try:
            start_agent(lab)
            lab.balancer.configure(config(lab))
            lab.balancer.start_both()
            wait_until("every backend serves", lambda: api.all_serve(lab.balancer), timeout_s=60)
            is_ready = True
            yield lab
        finally:
            if not is_ready or request.session.testsfailed > failed_before:
                print(lab.logs())


def offered_mss(lab, vip):
    """The MSS in the SYN-ACK as the client's interface sees it."""
    flags = "ip6[53] & 0x12 == 0x12" if ":" in vip else "tcp[13] & 0x12 == 0x12"
    heard = lab.client.start(f"tshark-{len(lab.client.processes)}", "tshark", "-i", "eth0", "-n", "-l", "-c", "1",
                             "-f", f"src {vip} and {flags}", "-T", "fields", "-e", "tcp.options.mss_val")

    def knock_and_look():  # it says that it captures a moment before it does
        lab.client.get(http_url(vip))
        return not heard.is_running()

    wait_until("tshark hears a SYN-ACK", knock_and_look, timeout_s=20, interval_s=0.2)
    return int(re.search(r"^(\d+)$", heard.log.read_text(), re.MULTILINE).group(1))


@every_service
def test_the_client_is_offered_what_the_tunnel_carries(narrow, name):
    vip, _, _, mss = SERVICES[name]
    assert offered_mss(narrow, vip) == mss


@every_service
def test_a_large_upload_fits_into_the_tunnel(narrow, name):
    vip = SERVICES[name][0]
    refused = too_large(narrow)
    assert narrow.client.upload(http_url(vip, f"/upload/{name}"), narrow.files / "large") == 201
    assert narrow.backends[0].uploaded_sha256(name) == narrow.large_sha256
    assert too_large(narrow) == refused


def too_large(lab):
    """Packets that did not fit, answered or not."""
    return (lab.balancer.metric("fairlead_dropped_packets_total", reason="too_big")
            + lab.balancer.metric("fairlead_replies_total", kind="too_big"))


def test_a_larger_mtu_is_followed_and_a_smaller_one_too(narrow):
    backend, vip = narrow.backends[0], SERVICES["gue-4in4"][0]
    for mtu in (1400, 1500):
        backend.ip(f"link set eth0 mtu {mtu}")
        wait_until("the limit follows", lambda mtu=mtu: f"ipv4={mtu - 92} " in narrow.agent.log.read_text())
        assert offered_mss(narrow, vip) == mtu - 92


def test_without_the_clamp_the_same_upload_does_not_fit(narrow):
    """What the tests above would pass without: segments of 1,460 bytes, which the tunnel refuses."""
    assert narrow.agent.stop() == 0
    start_agent(narrow, "--mss", "9000")
    vip = SERVICES["gue-4in4"][0]
    try:
        assert offered_mss(narrow, vip) == 1460
        refused = too_large(narrow)
        try:
            narrow.client.upload(http_url(vip, "/upload/unclamped"), narrow.files / "large", timeout_s=3)
        except LabError:
            pass  # It hangs, or gets through by path MTU discovery: either way the packets were too large at first.
        assert too_large(narrow) > refused
    finally:
        assert narrow.agent.stop() == 0
        start_agent(narrow)


def test_what_mss_says_is_taken(narrow):
    assert narrow.agent.stop() == 0
    start_agent(narrow, "--mss", "1200")
    try:
        assert offered_mss(narrow, SERVICES["gue-4in4"][0]) == 1200
        assert offered_mss(narrow, SERVICES["gue-6in6"][0]) == 1180
    finally:
        assert narrow.agent.stop() == 0
        start_agent(narrow)
