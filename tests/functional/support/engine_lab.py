"""What the tests of lbdp on kernel interfaces share: a lab, its service, downloads that go on meanwhile."""

import contextlib
import hashlib
import json
import re

from support import lending
from support.host import wait_until

PORTAL = [lending.SERVICES[0]]
URL = lending.URLS["portal"]
VIP = "203.0.113.10"
OWN4, OWN6 = "10.2.0.2", "fd00:2::2"
QUEUES = "mtu 1600 numrxqueues 2 numtxqueues 2"


def slow_url(lab_url=URL):
    return lab_url.rstrip("/") + "/slow/large"


def config(lab, services=None, **settings):
    """The lending platform's, or some of its services, without checks: they are not what is tried here."""
    text = lending.config(lab, services=services or PORTAL, **settings)
    return re.sub(r"\[defaults.health\]\n(?:\w+ = .*\n)+", '[defaults.health]\ntype = "none"\n', text)


def prepare(make_lab, backends=2, **settings):
    """A lab with the VIPs on its backends and a configuration; nothing is started."""
    lab = make_lab(backends=backends, file_bytes=8 << 20)
    for backend in lab.backends:
        backend.vip_by_hand(*lab.vips)
    lab.balancer.configure(config(lab, **settings))
    return lab


def wait_for_service(lab, url=URL):
    """Until a request is answered. Each try is short: a lost SYN is sent again only after a second."""
    wait_until(f"{url} answers", lambda: answers(lab, url), timeout_s=20)


def answers(lab, url=URL):
    return lab.client.run("curl", "-s", "--fail", "--max-time", "0.5", url, check=False).returncode == 0


def xdp_program(lab):
    link = json.loads(lab.balancer.run("ip", "-j", "link", "show", "dev", "eth0").stdout)[0]
    return link.get("xdp", {}).get("prog", {}).get("id")


@contextlib.contextmanager
def download(lab, url):
    """A download that goes on meanwhile; yields its process, and checks at the end what arrived."""
    target = lab.client.directory / "download"
    process = lab.client.start("download", "curl", "-sS", "--fail", "--globoff", "-o", target, url)
    wait_until("the download has begun", lambda: target.exists() and target.stat().st_size > 0)
    yield process
    assert process.is_running(), "the download was over before the test was\n" + process.tail()
    assert process.wait(60) == 0, process.tail()
    assert hashlib.sha256(target.read_bytes()).hexdigest() == lab.large_sha256


def join_anew(lab, near, far, up=True):
    """The interface with the MAC addresses that it had, so that no neighbor has to learn."""
    lab.router.ip(f"link add balancer address {far} {QUEUES} type veth "
                  f"peer name eth0 address {near} {QUEUES} netns {lab.balancer.namespace}",
                  "link set balancer master edge up")
    lab.router.plain_checksums("balancer")
    lab.balancer.plain_checksums("eth0")
    if up:
        lab.balancer.ip("link set eth0 up", f"addr add {OWN4}/24 dev eth0", "route add default via 10.2.0.1")
