"""VRRP's virtual MACs: macvlans as keepalived's use_vmac and FRR put them on the port's interface, by hand.

The router sends what is for the VIPs to those addresses, as it would after VRRP's own announcements.
"""

import pytest

from support import lending
from support.engine_lab import OWN4, answers, config, download, prepare, slow_url, wait_for_service
from support.host import wait_until
from support.lab import http_url

MACVLANS = {"vrrp.51": "00:00:5e:00:01:33", "vrrp6.52": "00:00:5e:00:02:34"}
VIPS = {"vrrp.51": "203.0.113.10", "vrrp6.52": "2001:db8::10"}
GATEWAYS = {"vrrp.51": "10.2.0.99", "vrrp6.52": "fd00:2::99"}
URLS = {name: http_url(vip) for name, vip in VIPS.items()}
CURL_TIMED_OUT = 28


@pytest.fixture
def lab(make_lab):
    """Both programs; the router sends both VIPs' packets to the virtual MACs, whose macvlans are a backup's."""
    lab = prepare(make_lab, services=lending.SERVICES[:2])
    tried = lab.balancer.run("ip", "link", "add", "vrrp.51", "link", "eth0", "type", "macvlan", check=False)
    if tried.returncode != 0:
        pytest.skip(f"this kernel makes no macvlan: {tried.stderr.strip()}")
    lab.balancer.ip("link del vrrp.51")
    lab.balancer.start_both()
    wait_for_service(lab)
    for name, mac in MACVLANS.items():
        lab.balancer.ip(f"link add {name} link eth0 address {mac} type macvlan mode private",
                        f"link set {name} addrgenmode none up")
        lab.router.ip(f"neigh replace {GATEWAYS[name]} lladdr {mac} nud permanent dev edge",
                      f"route replace {prefix_of(name)} via {GATEWAYS[name]}")
    return lab


def prefix_of(name):
    return f"{VIPS[name]}/{128 if ':' in VIPS[name] else 32}"


def become_master(lab, name):
    lab.balancer.ip(f"addr add {prefix_of(name)} dev {name}" + (" nodad" if ":" in VIPS[name] else ""))


def become_backup(lab, name):
    lab.balancer.ip(f"addr del {prefix_of(name)} dev {name}")


def known(lab):
    status = lab.balancer.lbctl("-o", "json", "status", check=False).json()
    assert all(entry["port"] == "edge" for entry in status["virtual_macs"]), status
    return {entry["mac"] for entry in status["virtual_macs"]}


def forwarded(lab):
    return sum(lab.balancer.metric("fairlead_worker_packets_total", worker=str(worker)) for worker in range(2))


@pytest.mark.parametrize("name", MACVLANS)
def test_its_frames_are_balanced_while_this_host_is_master(lab, name):
    other = next(each for each in MACVLANS if each != name)
    assert known(lab) == set()
    before = forwarded(lab)
    assert not answers(lab, URLS[name]), "a backup leaves them alone"
    assert forwarded(lab) == before, "they are the kernel's"
    become_master(lab, name)
    wait_until("it is known", lambda: known(lab) == {MACVLANS[name]})
    wait_for_service(lab, URLS[name])
    assert lab.client.sha256_of(URLS[name] + "files/large") == lab.large_sha256
    assert not answers(lab, URLS[other]), "the other virtual router is somebody else"
    become_backup(lab, name)
    wait_until("it is let go", lambda: known(lab) == set())
    wait_until("its frames are left alone", lambda: not answers(lab, URLS[name]))
    become_master(lab, name)
    wait_for_service(lab, URLS[name])
    lab.balancer.ip(f"link set {name} protodown on")  # as FRR does
    wait_until("it is let go", lambda: known(lab) == set())


def test_a_restarted_engine_knows_them_from_its_first_moment(lab):
    """The VIP is an address of this host, whose kernel would reset a connection of which it hears."""
    become_master(lab, "vrrp.51")
    wait_for_service(lab, URLS["vrrp.51"])
    with download(lab, slow_url()):
        lab.balancer.lbdp.kill()
        lab.balancer.lbdp.wait()
        lab.balancer.start_lbdp()
    # An engine that finds no tables yet: what comes waits for them, and no kernel answers.
    lab.balancer.lbd.stop()
    lab.balancer.lbdp.kill()
    lab.balancer.lbdp.wait()
    tables = lab.balancer.run_dir / "tables"
    tables.rename(tables.with_name("tables.aside"))
    lab.balancer.start_lbdp()
    asked = lab.client.run("curl", "-s", "--max-time", "1", URLS["vrrp.51"], check=False)
    assert asked.returncode == CURL_TIMED_OUT, asked
    tables.with_name("tables.aside").rename(tables)
    wait_for_service(lab, URLS["vrrp.51"])


def test_a_peer_of_a_veth_is_no_macvlan(make_lab):
    """The other end of a port that is a veth names the port as its link, and may be in the same namespace."""
    lab = prepare(make_lab)
    lab.balancer.ip("link add eth7 type veth peer name far", "link set far address 00:00:5e:00:01:07 up",
                    "link set eth7 up", "addr add 203.0.113.77/32 dev far", f"addr add {OWN4}/32 dev eth7")
    lab.balancer.configure(config(lab).replace('interface = "eth0"', 'interface = "eth7"'))
    lab.balancer.start_lbd()
    assert known(lab) == set()
