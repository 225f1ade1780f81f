"""What lbagent set up outlives it, however it ended; --remove takes it back and nothing else, and so does a start what
it no longer wants. What it cannot do it refuses."""

import signal

import pytest
from backend_state import addresses_on, attached_programs, state_of
from support.balancer import program, remove_lbagent, start_lbagent

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


def run_dir_names(backend):
    return [path.name for path in (backend.directory / "agent").iterdir()]


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL])
def test_everything_outlives_the_agent_and_goes_with_remove(lab, backend, ending):
    before = state_of(backend)
    agent = start_lbagent(backend, lab.build, *ARGUMENTS)
    assert {VIP, VIP6} <= addresses_on(backend, "lo")
    assert settings(backend, *ARP_SETTINGS) == [1, 2, 1, 2]
    assert len(attached_programs(backend)) == 1
    during = state_of(backend)
    agent.signal(ending)
    assert agent.wait() == (-signal.SIGKILL if ending == signal.SIGKILL else 0), agent.tail()
    assert state_of(backend) == during
    remove_lbagent(backend, lab.build)
    assert state_of(backend) == before
    assert run_dir_names(backend) == ["lbagent.lock"]


def test_ended_ten_times_it_still_knows_how_the_host_was(lab, backend):
    before = state_of(backend)
    for ending in [signal.SIGKILL, signal.SIGTERM] * 5:
        agent = start_lbagent(backend, lab.build, *ARGUMENTS)
        agent.signal(ending)
        agent.wait()
        assert len(attached_programs(backend)) == 1
    remove_lbagent(backend, lab.build)
    assert state_of(backend) == before
    assert run_dir_names(backend) == ["lbagent.lock"]


def test_a_start_takes_off_what_is_no_longer_asked_for(lab, backend):
    start_lbagent(backend, lab.build, *ARGUMENTS).stop()
    start_lbagent(backend, lab.build, "--interface", "eth0", "--vip", "203.0.113.11", "--no-tunnel")
    lo = addresses_on(backend, "lo")
    assert "203.0.113.11" in lo and not {VIP, VIP6} & lo
    assert attached_programs(backend) == []


def test_a_start_on_another_interface_leaves_nothing_on_the_first(lab, backend):
    backend.ip("link add other0 type veth peer name other1", "link set other0 up")
    start_lbagent(backend, lab.build, *ARGUMENTS).stop()
    start_lbagent(backend, lab.build, "--interface", "other0", *ARGUMENTS[2:]).stop()
    assert [program["devname"] for program in attached_programs(backend)] == ["other0"]
    assert settings(backend, *ARP_SETTINGS) == [1, 2, 0, 0]
    remove_lbagent(backend, lab.build)
    assert attached_programs(backend) == []


def test_a_start_that_fails_leaves_what_the_one_before_set_up(lab, backend):
    start_lbagent(backend, lab.build, *ARGUMENTS).stop()
    during = state_of(backend)
    backend.ip("addr add 203.0.113.77/32 dev eth0")
    done = run_agent(lab, *ARGUMENTS, "--vip", "203.0.113.77")
    assert done.returncode == 1 and "203.0.113.77 is an address of eth0" in done.stderr
    backend.ip("addr del 203.0.113.77/32 dev eth0")
    assert state_of(backend) == during


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
    remove_lbagent(backend, lab.build)
    assert state_of(backend) == before


def test_what_somebody_else_has_set_since_stays(lab, backend):
    agent = start_lbagent(backend, lab.build, *ARGUMENTS)
    backend.sysctl({"net.ipv4.conf.all.arp_ignore": 8})
    assert agent.stop() == 0
    done = run_agent(lab, "--remove")
    assert settings(backend, *ARP_SETTINGS) == [8, 0, 0, 0]
    assert "event=sysctl-left-alone" in done.stderr


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
    remove_lbagent(backend, lab.build)
    assert state_of(backend) == before
