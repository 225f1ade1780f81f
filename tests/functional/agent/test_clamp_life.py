"""The program that lowers the MSS: it outlives the agent, is taken over and put back, and goes with --remove."""

import signal

import pytest
from backend_state import events
from support.balancer import remove_lbagent, start_lbagent
from support.host import wait_until

from test_tunnels import BALANCER, agent_arguments

ARGUMENTS = agent_arguments("--balancer", BALANCER[4])


def egress_filters(host):
    return host.run("tc", "filter", "show", "dev", "eth0", "egress").stdout


def has_clsact(host):
    return "clsact" in host.run("tc", "qdisc", "show", "dev", "eth0").stdout


@pytest.fixture
def backend(make_lab):
    lab = make_lab(backends=1, file_bytes=1)
    lab.backends[0].build = lab.build
    return lab.backends[0]


def clamps(host):
    """How many of ours are attached."""
    return egress_filters(host).count(" clamp ")


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL])
def test_it_works_on_without_the_agent_and_the_next_start_takes_it_over(backend, ending):
    assert not has_clsact(backend)
    agent = start_lbagent(backend, backend.build, *ARGUMENTS)
    agent.signal(ending)
    agent.wait()
    assert clamps(backend) == 1
    start_lbagent(backend, backend.build, *ARGUMENTS).stop()
    assert clamps(backend) == 1
    remove_lbagent(backend, backend.build)
    assert clamps(backend) == 0 and not has_clsact(backend)


def test_taken_off_by_somebody_it_comes_back(backend):
    agent = start_lbagent(backend, backend.build, *ARGUMENTS)
    for command in (["filter", "del", "dev", "eth0", "egress"], ["qdisc", "del", "dev", "eth0", "clsact"]):
        backend.run("tc", *command)
        wait_until("it is back", lambda: clamps(backend) == 1, timeout_s=2)
    wait_until("it is told", lambda: [event for event in events(agent) if event["event"] == "set-again"
                                      and event["what"] == "mss program"])


def test_where_no_tunnels_are_taken_any_more_it_goes(backend):
    start_lbagent(backend, backend.build, *ARGUMENTS).stop()
    start_lbagent(backend, backend.build, *agent_arguments("--no-tunnel"))
    assert clamps(backend) == 0 and not has_clsact(backend)


def test_a_qdisc_that_was_there_stays(backend):
    backend.run("tc", "qdisc", "add", "dev", "eth0", "clsact")
    start_lbagent(backend, backend.build, *ARGUMENTS).stop()
    remove_lbagent(backend, backend.build)
    assert clamps(backend) == 0 and has_clsact(backend)


def test_a_qdisc_on_which_somebody_else_has_a_filter_by_now_stays(backend):
    start_lbagent(backend, backend.build, *ARGUMENTS).stop()
    backend.run("tc", "filter", "add", "dev", "eth0", "ingress", "bpf", "direct-action", "object-file",
                backend.build / "bpf" / "clamp.bpf.o", "section", "tc")
    remove_lbagent(backend, backend.build)
    assert clamps(backend) == 0 and has_clsact(backend)
    assert "clamp.bpf.o" in backend.run("tc", "filter", "show", "dev", "eth0", "ingress").stdout


def test_without_tunnels_nothing_is_attached(backend):
    agent = start_lbagent(backend, backend.build, *agent_arguments("--no-tunnel"))
    assert not has_clsact(backend)
    assert agent.stop() == 0
