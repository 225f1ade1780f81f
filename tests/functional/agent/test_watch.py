"""What somebody changes back while lbagent runs is set again, and told once; what cannot be is told as a problem."""

import json
import signal
import subprocess
import sys

import pytest
from backend_state import addresses_on, attached_programs, events
from support.balancer import remove_lbagent, start_lbagent
from support.host import wait_until

from test_tunnels import BALANCER, HERE, VIPS, agent_arguments, encapsulate, start_agent

MENDED_IN_S = 2


@pytest.fixture
def lab(make_lab):
    return make_lab(backends=1, file_bytes=1)


@pytest.fixture
def backend(lab):
    return lab.backends[0]


def setting(host, name):
    return int(host.run("sysctl", "-n", f"net.ipv4.conf.{name}").stdout)


def told(agent, kind, what):
    return [event for event in events(agent) if event["event"] == kind and event["what"] == what]


@pytest.mark.parametrize("arguments", [["--no-tunnel"], ["--balancer", BALANCER[4]]])
def test_settings_that_somebody_puts_back_are_set_again_and_told_once(lab, backend, arguments):
    backend.sysctl({"net.ipv4.conf.eth0.rp_filter": 1})
    agent = start_lbagent(backend, lab.build, *agent_arguments(*arguments))
    wanted = {f"{where}.{name}": value for where in ("all", "eth0")
              for name, value in (("arp_ignore", 1), ("arp_announce", 2))} | {"eth0.rp_filter": 2}
    backend.sysctl({f"net.ipv4.conf.{name}": 1 if "rp_filter" in name else 0 for name in wanted})
    wait_until("all are as wanted", lambda: all(setting(backend, name) == value for name, value in wanted.items()),
               timeout_s=MENDED_IN_S)
    for name in wanted:
        path = "net/ipv4/conf/" + name.replace(".", "/")
        [event] = wait_until(f"{name} is told", lambda path=path: told(agent, "set-again", path))
        assert event["times"] == "1"
    assert agent.stop() == 0
    remove_lbagent(backend, lab.build)
    assert [setting(backend, name) for name in wanted] == [0, 0, 0, 0, 1]


def test_a_strict_check_for_all_is_answered_on_the_interface_at_once(lab, backend):
    start_lbagent(backend, lab.build, *agent_arguments("--no-tunnel"))
    backend.sysctl({"net.ipv4.conf.all.rp_filter": 1})
    wait_until("eth0 is loose", lambda: setting(backend, "eth0.rp_filter") == 2, timeout_s=MENDED_IN_S)


def test_a_fight_with_another_program_does_not_flood_the_log(lab, backend):
    agent = start_lbagent(backend, lab.build, *agent_arguments("--no-tunnel"))
    name = "net.ipv4.conf.all.arp_ignore"
    for _ in range(3):
        backend.sysctl({name: 0})
        wait_until("it is set again", lambda: setting(backend, "all.arp_ignore") == 1, timeout_s=MENDED_IN_S)
    lines = wait_until("all three are told", lambda: [
        line for line in told(agent, "set-again", "net/ipv4/conf/all/arp_ignore") if line["total"] == "3"],
                       timeout_s=15)
    assert [line["times"] for line in lines] == ["2"], "the first was told at once, the others together"


def test_vips_that_somebody_takes_off_come_back(lab, backend):
    agent = start_agent(lab)
    for family, length in ((4, 32), (6, 128)):
        vip = VIPS[family]
        backend.ip(f"addr del {vip}/{length} dev lo")
        wait_until(f"{vip} is back", lambda vip=vip: vip in addresses_on(backend, "lo"), timeout_s=MENDED_IN_S)
        wait_until("it is told", lambda vip=vip: told(agent, "set-again", vip))
    assert agent.stop() == 0
    remove_lbagent(backend, lab.build)
    assert not set(VIPS.values()) & addresses_on(backend, "lo")


def test_a_vip_on_another_interface_is_a_problem_until_it_is_gone(lab, backend):
    agent = start_agent(lab)
    backend.ip(f"addr add {VIPS[4]}/24 dev eth0")
    [problem] = wait_until("the problem is told", lambda: told(agent, "problem", "addresses"))
    assert f"ip address del {VIPS[4]}/24 dev eth0" in problem["reason"]
    backend.ip(f"addr del {VIPS[4]}/24 dev eth0")
    wait_until("its end is told", lambda: told(agent, "problem-over", "addresses"), timeout_s=15)


def detach(backend):
    """Takes the agent's XDP program off by its link, as an operator could."""
    [program] = attached_programs(backend)
    [link] = [link for link in json.loads(backend.run("bpftool", "-j", "link", "show").stdout)
              if link["type"] == "xdp" and link["prog_id"] == program["id"]]
    backend.run("bpftool", "link", "detach", "id", link["id"])


def test_a_program_that_somebody_takes_off_comes_back(lab, backend):
    agent = start_agent(lab)
    encapsulate(lab, 4)
    detach(backend)
    wait_until("it is back", lambda: attached_programs(backend), timeout_s=MENDED_IN_S)
    wait_until("it is told", lambda: told(agent, "set-again", "tunnel program"))
    assert lab.client.get(f"http://{VIPS[4]}/") == "b1"
    agent.kill()
    agent.wait()
    assert lab.client.get(f"http://{VIPS[4]}/") == "b1", "the new link is pinned too"


def test_pins_that_somebody_deletes_come_back(lab, backend):
    agent = start_agent(lab)
    pins = backend.directory / "agent" / "bpf"
    names = sorted(path.name for path in pins.iterdir())
    subprocess.run(["umount", pins], check=True)
    wait_until("the link is pinned again", lambda: "decap-link-eth0" in [path.name for path in pins.iterdir()],
               timeout_s=MENDED_IN_S)
    assert {"decap-link-eth0", "decap-counters-eth0"} <= {path.name for path in pins.iterdir()} <= set(names)
    assert len(attached_programs(backend)) == 1
    agent.kill()
    agent.wait()
    assert len(attached_programs(backend)) == 1


def test_somebody_elses_program_in_its_place_is_an_error_and_no_fight(lab, backend, build_dir):
    agent = start_agent(lab)
    agent.signal(signal.SIGSTOP)
    detach(backend)
    backend.ip(f"link set dev eth0 xdp object {build_dir}/bpf/decap.bpf.o section xdp.frags")
    [foreign] = attached_programs(backend)
    agent.signal(signal.SIGCONT)
    [problem] = wait_until("the problem is told", lambda: told(agent, "problem", "tunnel program"))
    assert "bpftool net" in problem["reason"]
    assert attached_programs(backend) == [foreign]
    backend.ip("link set dev eth0 xdp off")
    wait_until("ours is back", lambda: attached_programs(backend), timeout_s=MENDED_IN_S)
    wait_until("the end of the problem is told", lambda: told(agent, "problem-over", "tunnel program"), timeout_s=15)


def test_an_interface_that_is_made_anew_is_set_up_again(lab, backend):
    agent = start_agent(lab)
    backend.ip("link del eth0")
    wait_until("it is told", lambda: told(agent, "problem", "interface"))
    lab._join_edge(backend, f"{backend.addresses[4]}/24", f"{backend.addresses[6]}/64")
    backend.ip("route add default via 10.2.0.1", "route add default via fd00:2::1")
    wait_until("the program is on it", lambda: attached_programs(backend), timeout_s=3)
    wait_until("so are the settings", lambda: setting(backend, "eth0.arp_ignore") == 1, timeout_s=MENDED_IN_S)
    encapsulate(lab, 4)
    assert lab.client.get(f"http://{VIPS[4]}/") == "b1"
    assert agent.stop() == 0
    remove_lbagent(backend, lab.build)
    assert attached_programs(backend) == [] and setting(backend, "eth0.arp_ignore") == 0


def test_the_service_managers_watchdog_is_fed(lab, backend):
    program = lab.build / "ctl" / "lbagent"
    done = backend.run(sys.executable, "-B", HERE / "watchdog.py", program, "--run-dir", backend.directory / "agent",
                       *agent_arguments("--no-tunnel"), timeout_s=20)
    words = done.stdout.split()
    assert words[:4] == ["READY=1", "WATCHDOG=1", "WATCHDOG=1", "WATCHDOG=1"] and words[-1] == "STOPPING=1"
