"""A link on the way to the backends is smaller than the balancer's own: its router tells the balancer, the balancer
answers the client, and nothing hangs. What a v4 client lets be cut is cut before it enters the tunnel."""

import json
import os
import pathlib
import re

import pytest
from support import api
from support.balancer import start_lbagent
from support.client import HERE
from support.host import wait_until
from support.lab import Lab, http_url
from support.lending import BALANCER_ADDRESSES
from support.modes import MODE, NAMES, OVERHEAD, VIP, config

SMALL = 1400
UDP_PORT = 5354
ENDS = {"b1": {4: "10.3.0.1", 6: "fd00:3::1"}}
V4_NAMES = [name for name in NAMES if MODE[name][1] == 4]


@pytest.fixture(scope="module")
def narrow(request, build_dir):
    """A lab whose backend ends its tunnels at addresses behind the router, which takes 1,400 bytes to there."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    failed_before = request.session.testsfailed
    with Lab(build=build_dir, backends=1, vips=tuple(VIP.values()), file_bytes=2 << 20) as lab:
        backend = lab.backends[0]
        lab.router.sysctl({"net.ipv4.conf.all.send_redirects": 0, "net.ipv4.conf.edge.send_redirects": 0})
        for family, via in backend.addresses.items():
            end, bits = ENDS["b1"][family], {4: 32, 6: 128}[family]
            backend.ip(f"addr add {end}/{bits} dev eth0" + (" nodad" if family == 6 else ""))
            lab.router.ip(f"route add {end}/{bits} via {via} mtu lock {SMALL}")
        vips = [word for vip in lab.vips for word in ("--vip", vip)]
        balancers = [word for address in BALANCER_ADDRESSES for word in ("--balancer", address)]
        # No clamp that helps: the server offers what its own link takes.
        lab.agent = start_lbagent(backend, lab.build, "--interface", "eth0", "--mss", "1460", *vips, *balancers)
        is_ready = False
        try:
            backend.start_udp_echo(UDP_PORT, [VIP[name] for name in V4_NAMES])
            backend.ip("route change default via 10.2.0.1 mtu 1500", "route change default via fd00:2::1 mtu 1500")
            lab.balancer.configure(config(lab, ENDS, UDP_PORT))
            lab.balancer.start_both()
            wait_until("the backend serves", lambda: api.all_serve(lab.balancer), timeout_s=60)
            is_ready = True
            yield lab
        finally:
            if not is_ready or request.session.testsfailed > failed_before:
                print(lab.balancer.lbctl("backend", "list", check=False).out)
                print(lab.logs())


def learned(lab, vip):
    """What the client's kernel has learned of the way to a VIP; None if nothing."""
    found = re.search(r"\bmtu (\d+)", lab.client.run("ip", "-o", "route", "get", vip).stdout)
    return int(found.group(1)) if found else None


def upload(lab, name):
    status = lab.client.upload(http_url(VIP[name], f"/upload/{name}"), lab.files / "large", timeout_s=30)
    assert status in (201, 204)  # made, or put in the place of the last one
    assert lab.backends[0].uploaded_sha256(name) == lab.large_sha256


@pytest.mark.parametrize("name", NAMES)
def test_an_upload_learns_the_path_from_the_balancer_and_ends(narrow, name):
    assert learned(narrow, VIP[name]) is None
    upload(narrow, name)
    assert learned(narrow, VIP[name]) == SMALL - OVERHEAD[name]


@pytest.mark.parametrize("name", NAMES)
def test_a_download_is_not_concerned(narrow, name):
    assert narrow.client.sha256_of(http_url(VIP[name], "/files/large")) == narrow.large_sha256


def test_what_the_router_said_is_told_to_the_operator(narrow):
    for name in ("ipip-4in4", "gue-6in6"):
        upload(narrow, name)
        page = narrow.balancer.lbctl("backend", "show", f"{name}/b1").out
        assert re.search(rf"^Path MTU +{SMALL} bytes, as a router on the way says$", page, re.MULTILINE), page
        assert narrow.balancer.metric("fairlead_backend_path_mtu_bytes", service=name, backend="b1") == SMALL
    assert narrow.balancer.metric("fairlead_path_mtu_messages_total", result="believed") >= 2
    assert f"mtu={SMALL}" in narrow.balancer.lbd.log.read_text()


@pytest.mark.parametrize("name", V4_NAMES)
def test_datagrams_around_the_limit_arrive_whole_whether_cut_or_not(narrow, name):
    """Sizes of UDP payload, Don't Fragment clear: 28 bytes of IP and UDP header, then the tunnel's own."""
    upload(narrow, name)  # so that the path is known
    room = SMALL - OVERHEAD[name] - 28
    sizes = [room - 8, room - 1, room, room + 1, room + 7, room + 8, room + 9, 1472]
    path = pathlib.Path(HERE) / "udp_large.py"
    done = narrow.client.run("/usr/bin/python3", "-IB", path, VIP[name], UDP_PORT, 40, 4, *sizes, timeout_s=60)
    found = json.loads(done.stdout)
    assert (found["answers"], found["wrong"], found["lost"]) == ({"b1": 40}, 0, 0)


def test_a_message_about_a_foreign_tunnel_lowers_nothing(narrow):
    """From the client: that our tunnel to a server which is no backend takes 700 bytes."""
    forged = ("from scapy.all import IP, ICMP, IPv6, send; "
              "send(IP(dst='10.2.0.2') / ICMP(type=3, code=4, nexthopmtu=700) / "
              "IP(src='10.2.0.2', dst='10.2.0.99', proto=4, len=1500) / (b'E' + bytes(27)), verbose=0)")
    before = narrow.balancer.metric("fairlead_path_mtu_messages_total", result="ignored")
    narrow.client.run("/usr/bin/python3", "-IBc", forged, timeout_s=30)
    wait_until("the message is counted", lambda: narrow.balancer.metric("fairlead_path_mtu_messages_total",
                                                                        result="ignored") == before + 1)
    assert "mtu=700" not in narrow.balancer.lbd.log.read_text()
