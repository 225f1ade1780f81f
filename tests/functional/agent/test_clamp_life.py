"""The program that lowers the MSS: gone after an orderly end, taken over after a kill, and nobody else's business."""

import pytest
from support.balancer import start_lbagent

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


def test_it_goes_with_an_orderly_end_and_so_does_its_qdisc(backend):
    assert not has_clsact(backend)
    agent = start_lbagent(backend, backend.build, *ARGUMENTS)
    assert clamps(backend) == 1
    assert agent.stop() == 0
    assert clamps(backend) == 0 and not has_clsact(backend)


def test_after_a_kill_the_next_start_takes_it_over_and_its_end_takes_it_off(backend):
    killed = start_lbagent(backend, backend.build, *ARGUMENTS)
    killed.kill()
    killed.wait()
    assert clamps(backend) == 1, "it works on while nobody is there"
    agent = start_lbagent(backend, backend.build, *ARGUMENTS)
    assert clamps(backend) == 1
    assert agent.stop() == 0
    assert clamps(backend) == 0 and not has_clsact(backend)


def test_after_a_kill_remove_takes_it_off(backend):
    agent = start_lbagent(backend, backend.build, *ARGUMENTS)
    agent.kill()
    agent.wait()
    backend.run(backend.build / "ctl" / "lbagent", "--run-dir", backend.directory / "agent", "--remove")
    assert clamps(backend) == 0 and not has_clsact(backend)


def test_a_qdisc_that_was_there_stays(backend):
    backend.run("tc", "qdisc", "add", "dev", "eth0", "clsact")
    agent = start_lbagent(backend, backend.build, *ARGUMENTS)
    assert agent.stop() == 0
    assert clamps(backend) == 0 and has_clsact(backend)


def test_a_qdisc_on_which_somebody_else_has_a_filter_by_now_stays(backend):
    agent = start_lbagent(backend, backend.build, *ARGUMENTS)
    backend.run("tc", "filter", "add", "dev", "eth0", "ingress", "bpf", "direct-action", "object-file",
                backend.build / "bpf" / "clamp.bpf.o", "section", "tc")
    assert agent.stop() == 0
    assert clamps(backend) == 0 and has_clsact(backend)
    assert "clamp.bpf.o" in backend.run("tc", "filter", "show", "dev", "eth0", "ingress").stdout


def test_without_tunnels_nothing_is_attached(backend):
    agent = start_lbagent(backend, backend.build, *agent_arguments("--no-tunnel"))
    assert not has_clsact(backend)
    assert agent.stop() == 0
