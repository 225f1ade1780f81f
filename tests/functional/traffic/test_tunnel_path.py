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
SMALL_TO_CLIENT = 1320
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


def learned(host, address):
    """What the host's kernel has learned of the way to an address; None if nothing."""
    found = re.search(r"\bmtu (\d+)", host.run("ip", "-o", "route", "get", address).stdout)
    return int(found.group(1)) if found else None


def path_mtu(lab, name):
    return lab.balancer.metric("fairlead_backend_path_mtu_bytes", service=name, backend="b1")


def echo(lab, name, *sizes, datagrams=40):
    """Datagrams with so many bytes of UDP payload, Don't Fragment clear."""
    path = pathlib.Path(HERE) / "udp_large.py"
    done = lab.client.run("/usr/bin/python3", "-IB", path, VIP[name], UDP_PORT, datagrams, 4, *sizes, timeout_s=60)
    return json.loads(done.stdout)


def upload(lab, name):
    status = lab.client.upload(http_url(VIP[name], f"/upload/{name}"), lab.files / "large", timeout_s=30)
    assert status in (201, 204)  # made, or put in the place of the last one
    assert lab.backends[0].uploaded_sha256(name) == lab.large_sha256


@pytest.mark.parametrize("name", V4_NAMES)
def test_datagrams_alone_teach_the_balancer_the_path(narrow, name):
    """Nobody has said anything yet, and Don't Fragment is clear: the tunnel's is set, so that the router says it."""
    narrow.balancer.lbd.stop()
    narrow.balancer.start_lbd()  # which forgets what was said
    wait_until("the backend serves", lambda: api.all_serve(narrow.balancer), timeout_s=60)
    found = echo(narrow, name, 1472, datagrams=1)
    assert found["lost"] == 1
    wait_until("the path is known", lambda: path_mtu(narrow, name) == SMALL)
    found = echo(narrow, name, 1472, 1400, datagrams=20)
    assert (found["answers"], found["wrong"], found["lost"]) == ({"b1": 20}, 0, 0)


@pytest.mark.parametrize("name", NAMES)
def test_an_upload_learns_the_path_from_the_balancer_and_ends(narrow, name):
    assert learned(narrow.client, VIP[name]) is None
    upload(narrow, name)
    assert learned(narrow.client, VIP[name]) == SMALL - OVERHEAD[name]


@pytest.mark.parametrize("name", NAMES)
def test_a_download_over_a_small_link_to_the_client_brings_the_routers_error_to_the_backend(narrow, name):
    client = "fd00:1::2" if ":" in VIP[name] else "10.1.0.2"
    backend = narrow.backends[0]
    narrow.router.ip(f"link set client mtu {SMALL_TO_CLIENT}")
    try:
        digest = narrow.client.sha256_of(http_url(VIP[name], "/files/large"), timeout_s=30)
        assert digest == narrow.large_sha256
        assert learned(backend, client) == SMALL_TO_CLIENT
    finally:
        narrow.router.ip("link set client mtu 1500")
        backend.run("ip", "-6" if ":" in client else "-4", "route", "flush", "cache")


@pytest.mark.parametrize("name", NAMES)
def test_a_download_is_not_concerned(narrow, name):
    assert narrow.client.sha256_of(http_url(VIP[name], "/files/large")) == narrow.large_sha256


def test_what_the_router_said_is_told_to_the_operator(narrow):
    for name in ("ipip-4in4", "gue-6in6"):
        upload(narrow, name)
        page = narrow.balancer.lbctl("backend", "show", f"{name}/b1").out
        assert re.search(rf"^Path MTU +{SMALL} bytes, as a router on the way says$", page, re.MULTILINE), page
        assert path_mtu(narrow, name) == SMALL
    assert narrow.balancer.metric("fairlead_path_mtu_messages_total", result="believed") >= 2
    assert f"mtu={SMALL}" in narrow.balancer.lbd.log.read_text()


@pytest.mark.parametrize("name", V4_NAMES)
def test_datagrams_around_the_limit_arrive_whole_whether_cut_or_not(narrow, name):
    """Sizes of UDP payload, Don't Fragment clear: 28 bytes of IP and UDP header, then the tunnel's own."""
    upload(narrow, name)  # so that the path is known
    room = SMALL - OVERHEAD[name] - 28
    sizes = [room - 8, room - 1, room, room + 1, room + 7, room + 8, room + 9, 1472]
    found = echo(narrow, name, *sizes)
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


@pytest.mark.parametrize("name", [name for name in NAMES if MODE[name][1] == 6])
def test_a_forged_message_leaves_ipv6_clients_what_they_may_send(narrow, name):
    """It names a tunnel of ours and an MTU of 68: no IPv6 client can go below 1,280 bytes, so nobody asks one to."""
    v6 = MODE[name][2] == 6
    source, end = ("fd00:2::2", ENDS["b1"][6]) if v6 else ("10.2.0.2", ENDS["b1"][4])
    message = (f"IPv6(dst='{source}') / ICMPv6PacketTooBig(mtu=68) / "
               f"IPv6(src='{source}', dst='{end}', nh=41) / bytes(48)" if v6 else
               f"IP(dst='{source}') / ICMP(type=3, code=4, nexthopmtu=68) / "
               f"IP(src='{source}', dst='{end}', proto=4, len=1500) / (b'E' + bytes(27))")
    narrow.client.run("/usr/bin/python3", "-IBc",
                      f"from scapy.all import IP, ICMP, IPv6, ICMPv6PacketTooBig, send; send({message}, verbose=0)",
                      timeout_s=30)
    least = 1280 + OVERHEAD[name]
    wait_until("the message is believed", lambda: path_mtu(narrow, name) == least)
    upload(narrow, name)
