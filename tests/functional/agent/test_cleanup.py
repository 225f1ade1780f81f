"""lbagent takes back what it did and nothing else, however it ended; and refuses what it cannot do."""

import signal

import pytest
from backend_state import addresses_on, attached_programs, events, state_of
from support.balancer import program, start_lbagent
from support.host import wait_until

VIP, VIP6 = "203.0.113.10", "2001:db8::10"
ARGUMENTS = ["--interface", "eth0", "--vip", VIP, "--vip", VIP6, "--balancer", "10.2.0.2", "--balancer", "fd00:2::2"]


@pytest.fixture
def lab(make_lab):
    return make_lab(backends=1, file_bytes=1)


@pytest.fixture
def backend(lab):
    return lab.backends[0]


def run_agent(lab, *arguments, prefix=()):
    """lbagent to its end, at once."""
    backend = lab.backends[0]
    run_dir = backend.directory / "agent"
    command = [*prefix, program(lab.build, "lbagent"), "--run-dir", run_dir, *arguments]
    return backend.run(*command, check=False, timeout_s=10)


def settings(host, *names):
    return [int(value) for value in host.run("sysctl", "-n", *names).stdout.split()]


ARP_SETTINGS = [f"net.ipv4.conf.{where}.{name}" for where in ("all", "eth0")
                for name in ("arp_ignore", "arp_announce")]


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_an_ordered_end_leaves_nothing(lab, backend, ending):
    before = state_of(backend)
    agent = start_lbagent(backend, lab.build, *ARGUMENTS)
    assert {VIP, VIP6} <= addresses_on(backend, "lo")
    assert settings(backend, *ARP_SETTINGS) == [1, 2, 1, 2]
    assert len(attached_programs(backend)) == 1
    agent.signal(ending)
    assert agent.wait() == 0, agent.tail()
    assert state_of(backend) == before
    assert [path.name for path in (backend.directory / "agent").iterdir()] == ["lbagent.lock"]


@pytest.mark.parametrize("by", ["a restart", "--remove"])
def test_after_sigkill_everything_can_still_be_taken_back(lab, backend, by):
    before = state_of(backend)
    start_lbagent(backend, lab.build, *ARGUMENTS).kill()
    wait_until("the program goes with its process", lambda: attached_programs(backend) == [])
    assert {VIP, VIP6} <= addresses_on(backend, "lo")
    if by == "a restart":
        agent = start_lbagent(backend, lab.build, *ARGUMENTS)
        assert len(attached_programs(backend)) == 1
        assert settings(backend, *ARP_SETTINGS) == [1, 2, 1, 2]
        assert agent.stop() == 0, agent.tail()
    else:
        done = run_agent(lab, "--remove")
        assert done.returncode == 0, done.stderr
    assert state_of(backend) == before


def test_killed_ten_times_it_still_knows_how_the_host_was(lab, backend):
    before = state_of(backend)
    for _ in range(10):
        start_lbagent(backend, lab.build, *ARGUMENTS).kill()
        # The kernel frees the lock and the link with the process.
        wait_until("the program goes with its process", lambda: attached_programs(backend) == [])
    assert start_lbagent(backend, lab.build, *ARGUMENTS).stop() == 0
    assert state_of(backend) == before


def test_a_start_takes_off_what_is_no_longer_asked_for(lab, backend):
    start_lbagent(backend, lab.build, *ARGUMENTS).kill()
    wait_until("the program goes with its process", lambda: attached_programs(backend) == [])
    start_lbagent(backend, lab.build, "--interface", "eth0", "--vip", "203.0.113.11", "--no-tunnel")
    lo = addresses_on(backend, "lo")
    assert "203.0.113.11" in lo and not {VIP, VIP6} & lo
    assert attached_programs(backend) == []


def test_remove_where_nothing_is_left_is_no_mistake(lab, backend):
    before = state_of(backend)
    assert run_agent(lab, "--remove").returncode == 0
    assert state_of(backend) == before


def test_what_was_there_before_stays(lab, backend):
    backend.ip(f"addr add {VIP}/32 dev lo")
    backend.sysctl({"net.ipv4.conf.all.arp_ignore": 2, "net.ipv4.conf.eth0.rp_filter": 1})
    before = state_of(backend)
    agent = start_lbagent(backend, lab.build, *ARGUMENTS)
    assert settings(backend, "net.ipv4.conf.all.arp_ignore", "net.ipv4.conf.eth0.rp_filter") == [2, 2]
    assert agent.stop() == 0
    assert state_of(backend) == before


def test_what_somebody_else_has_set_since_stays(lab, backend):
    agent = start_lbagent(backend, lab.build, *ARGUMENTS)
    backend.sysctl({"net.ipv4.conf.all.arp_ignore": 8})
    assert agent.stop() == 0
    assert settings(backend, *ARP_SETTINGS) == [8, 0, 0, 0]
    assert any(event["event"] == "sysctl-left-alone" for event in events(agent))


def test_a_vip_that_somebody_takes_off_comes_back(lab, backend):
    agent = start_lbagent(backend, lab.build, *ARGUMENTS)
    for vip, length in ((VIP, 32), (VIP6, 128)):
        backend.ip(f"addr del {vip}/{length} dev lo")
        wait_until(f"{vip} is back", lambda vip=vip: vip in addresses_on(backend, "lo"))
    assert agent.stop() == 0
    assert not {VIP, VIP6} & addresses_on(backend, "lo")


def test_it_ends_when_its_interface_goes(lab, backend):
    agent = start_lbagent(backend, lab.build, *ARGUMENTS)
    backend.ip("link del eth0")
    assert agent.wait() == 1
    assert any(event["event"] == "interface-gone" for event in events(agent))
    assert not {VIP, VIP6} & addresses_on(backend, "lo")
    assert settings(backend, "net.ipv4.conf.all.arp_ignore", "net.ipv4.conf.all.arp_announce") == [0, 0]


def test_a_second_one_on_the_run_directory_is_refused_and_the_first_goes_on(lab, backend):
    first = start_lbagent(backend, lab.build, *ARGUMENTS)
    during = state_of(backend)
    for arguments in (ARGUMENTS, ["--remove"]):
        second = run_agent(lab, *arguments)
        assert second.returncode == 1
        assert f"process {first.pid}" in second.stderr
    assert state_of(backend) == during and first.is_running()


@pytest.mark.parametrize("arguments, code, words", [
    (["--interface", "eth9", "--vip", VIP, "--no-tunnel"], 1, "there is no interface eth9"),
    (["--interface", "eth0", "--vip", "203.0.113.300", "--no-tunnel"], 2, "no IP address"),
    (["--interface", "eth0", "--vip", VIP], 2, "--balancer is missing"),
    (["--interface", "eth0", "--vip", VIP, "--no-tunnel", "--fast"], 2, "--fast"),
    (["--remove", "--vip", VIP], 2, "--vip"),
    ([], 2, "--interface is missing"),
])
def test_what_cannot_be_done_is_said_and_changes_nothing(lab, backend, arguments, code, words):
    before = state_of(backend)
    done = run_agent(lab, *arguments)
    assert done.returncode == code
    assert words in done.stderr
    assert state_of(backend) == before


def test_a_vip_on_another_interface_is_refused_with_the_way_out(lab, backend):
    backend.ip(f"addr add {VIP}/24 dev eth0")
    before = state_of(backend)
    done = run_agent(lab, *ARGUMENTS)
    assert done.returncode == 1
    assert f"ip address del {VIP}/24 dev eth0" in done.stderr
    assert state_of(backend) == before


def test_without_privilege_it_says_what_it_needs(lab, backend):
    before = state_of(backend)
    (backend.directory / "agent").mkdir()
    done = run_agent(lab, *ARGUMENTS, prefix=("setpriv", "--bounding-set=-net_admin", "--inh-caps=-all",
                                              "--reuid=65534", "--regid=65534", "--clear-groups"))
    assert done.returncode == 1
    assert "CAP_NET_ADMIN" in done.stderr
    assert state_of(backend) == before


def test_a_damaged_state_file_is_not_guessed_at(lab, backend):
    run_dir = backend.directory / "agent"
    run_dir.mkdir()
    (run_dir / "lbagent.state").write_text("{")
    before = state_of(backend)
    done = run_agent(lab, *ARGUMENTS)
    assert done.returncode == 1 and "lbagent.state" in done.stderr
    assert state_of(backend) == before


def test_a_state_file_from_another_boot_is_passed_over(lab, backend):
    run_dir = backend.directory / "agent"
    run_dir.mkdir()
    (run_dir / "lbagent.state").write_text(
        '{"version": 1, "boot_id": "another", "network_namespace": 1, "vips": ["203.0.113.99"], '
        '"sysctls": [{"name": "net/ipv4/conf/all/arp_ignore", "original": 7, "set": 0}]}')
    before = state_of(backend)
    assert start_lbagent(backend, lab.build, *ARGUMENTS).stop() == 0
    assert state_of(backend) == before
