"""What ports and their interfaces are called: of any length, by alternative names, and otherwise while all runs."""

import time

import pytest

from support.engine_lab import OWN4, QUEUES, answers, config, join_anew, prepare, wait_for_service
from support.host import wait_until

LONG_NAME = "edge-" + 58 * "e"
LONG_ALTNAME = "wan-" + 123 * "w"


def status(lab):
    return lab.balancer.lbctl("-o", "json", "status").json()


def problems(lab, word):
    return [each for each in status(lab)["problems"] if word in each]


def links(lab):
    backends = lab.balancer.lbctl("-o", "json", "backend", "list").json()["backends"]
    return [backend["link"] for backend in backends]


def rename(lab, old, new):
    lab.balancer.ip(f"link set {old} down", f"link set {old} name {new}", f"link set {new} up",
                    f"addr replace {OWN4}/24 dev {new}", "route replace default via 10.2.0.1")


def test_a_port_with_a_name_of_63_characters_counts_on_over_a_start(make_lab):
    assert len(LONG_NAME) == 63
    lab = prepare(make_lab)
    lab.balancer.configure(config(lab).replace('name = "edge"', f'name = "{LONG_NAME}"'))
    lab.balancer.start_both()
    wait_for_service(lab)

    def received():
        return lab.balancer.metric("fairlead_port_receive_packets_total", port=LONG_NAME)
    assert all(answers(lab) for _ in range(20))
    before = wait_until("the packets are counted", lambda: (now := received()) >= 60 and now)
    assert lab.balancer.lbdp.stop() == 0
    lab.balancer.start_lbdp()
    wait_for_service(lab)
    assert received() >= before
    assert not problems(lab, LONG_NAME)


def test_both_programs_keep_to_a_renamed_interface(make_lab):
    """Told once, with the command that makes the next start find it too."""
    lab = prepare(make_lab)
    lab.balancer.start_both()
    wait_for_service(lab)
    rename(lab, "eth0", "uplink")
    wait_until("served again", lambda: answers(lab), timeout_s=20)
    sentence, = wait_until("the rename is told", lambda: problems(lab, "is called uplink now"))
    time.sleep(1)  # what was lost would be told by now
    assert all(links(lab)), "every backend is reached"
    assert [port["interface"] for port in status(lab)["engine"]["ports"]] == ["uplink"]
    wait_until("nothing else is told", lambda: status(lab)["problems"] == [sentence])
    assert lab.balancer.lbd.log.read_text().count("event=interface-renamed") == 1
    assert "from=eth0 to=uplink" in lab.balancer.lbd.log.read_text()

    command = sentence.split("`")[1]
    lab.balancer.ip(command.removeprefix("ip "))
    wait_until("nothing is left to do", lambda: status(lab)["problems"] == [])
    assert lab.balancer.stop_both() == (0, 0)
    lab.balancer.start_both()
    wait_for_service(lab)
    wait_until("all is well", lambda: status(lab)["problems"] == [])


def test_an_interface_by_an_alternative_name_of_127_characters(make_lab):
    assert len(LONG_ALTNAME) == 127
    lab = prepare(make_lab)
    lab.balancer.configure(config(lab).replace('interface = "eth0"', f'interface = "{LONG_ALTNAME}"'))
    give_name = f"link property add dev eth0 altname {LONG_ALTNAME}"
    lab.balancer.ip(give_name)
    lab.balancer.start_both()
    wait_for_service(lab)
    assert [port["interface"] for port in status(lab)["engine"]["ports"]] == ["eth0"]
    wait_until("all is well", lambda: status(lab)["problems"] == [])

    near, far = lab.balancer.link("eth0")["address"], lab.router.link("balancer")["address"]
    lab.balancer.ip("link del eth0")
    wait_until("the engine says so", lambda: problems(lab, f"the interface {LONG_ALTNAME} is not in"))
    join_anew(lab, near, far)
    lab.balancer.ip(give_name)
    wait_until("served again", lambda: answers(lab), timeout_s=20)
    wait_until("all is well", lambda: status(lab)["problems"] == [])


def test_a_renamed_interface_is_kept_over_more_queues(make_lab):
    """The engine opens all its sockets anew then: on the interface that it had."""
    lab = prepare(make_lab)
    lab.balancer.configure(config(lab, cpus="0"))
    lab.router.run("ethtool", "-L", "balancer", "rx", "1", "tx", "1")
    lab.balancer.run("ethtool", "-L", "eth0", "rx", "1", "tx", "1")
    lab.balancer.start_both()
    wait_for_service(lab)
    rename(lab, "eth0", "uplink")
    lab.balancer.run("ethtool", "-L", "uplink", "rx", "2", "tx", "2")
    lab.router.run("ethtool", "-L", "balancer", "rx", "2", "tx", "2")
    wait_until("both queues are polled",
               lambda: "interface=uplink index=2 queues=2" in lab.balancer.lbdp.log.read_text())
    wait_until("served again", lambda: answers(lab), timeout_s=20)
    wait_until("the rename alone is told", lambda: len(problems(lab, "is called uplink now")) == len(problems(lab, "")))


def swap_names(lab):
    lab.balancer.ip("link set eth0 down", "link set eth1 down", "link set eth0 name eth9", "link set eth1 name eth0",
                    "link set eth9 name eth1", "link set eth0 up", "link set eth1 up",
                    f"addr replace {OWN4}/24 dev eth1", "route replace default via 10.2.0.1")


@pytest.mark.parametrize("first, second, told", [
    ("lbd", "lbdp", "lbdp is on the interface eth1, and lbd on eth0"),
    ("lbdp", "lbd", "lbdp is on the interface eth0, and lbd on eth1")])
def test_programs_on_two_interfaces_are_critical(make_lab, first, second, told):
    """Two interfaces have swapped names, and one program is restarted: what it says then mends it."""
    lab = prepare(make_lab)
    lab.balancer.ip(f"link add eth1 {QUEUES} type veth peer name far {QUEUES}", "link set eth1 up", "link set far up")
    lab.balancer.start_both()
    wait_for_service(lab)
    swap_names(lab)
    wait_until("served as before", lambda: answers(lab), timeout_s=20)
    restart(lab, first)
    sentence, = wait_until("it is told", lambda: problems(lab, told))
    assert sentence in status(lab)["critical"]
    assert problems(lab, "eth0") == [sentence]
    assert lab.balancer.lbctl("status", "--check", check=False).code == 2
    assert f"restart {second}, or" in sentence
    restart(lab, second)
    wait_until("both are on the same", lambda: not problems(lab, "eth0"))


def test_what_the_engine_alone_has_kept_is_critical(make_lab):
    """The name was not kept, and lbd is restarted: the command that it names is enough."""
    lab = prepare(make_lab)
    lab.balancer.start_both()
    wait_for_service(lab)
    rename(lab, "eth0", "uplink")
    wait_until("served as before", lambda: answers(lab), timeout_s=20)
    restart(lab, "lbd")
    sentence, = wait_until("it is told", lambda: problems(lab, "finds none that is called eth0"))
    assert status(lab)["critical"] == [sentence]
    lab.balancer.ip(sentence.split("`")[1].removeprefix("ip "))
    wait_until("nothing is left to do", lambda: status(lab)["problems"] == [])
    wait_until("served again", lambda: answers(lab), timeout_s=20)


def restart(lab, name):
    assert getattr(lab.balancer, name).stop() == 0
    getattr(lab.balancer, f"start_{name}")()


@pytest.mark.parametrize("host, off, back, engines, own", [
    ("balancer", "link set eth0 down", "link set eth0 up", "the interface eth0 is switched off",
     "interface eth0 is down"),
    ("router", "link set balancer down", "link set balancer up", "the interface eth0 has no carrier",
     "interface eth0 has no carrier"),
    ("balancer", "link del eth0", None, "the interface eth0 is not in the engine's", "there is no interface eth0")],
    ids=["down", "no carrier", "gone"])
def test_one_cause_is_one_problem(make_lab, host, off, back, engines, own):
    """The engine's sentence while one runs, which knows more; without one lbd's own."""
    lab = prepare(make_lab)
    lab.balancer.start_both()
    wait_for_service(lab)
    getattr(lab, host).ip(off)
    wait_until("the engine's sentence", lambda: problems(lab, engines))
    told = problems(lab, "eth0")
    assert len(told) == 1, told
    assert lab.balancer.lbdp.stop() == 0
    wait_until("lbd's own", lambda: problems(lab, own))
    told = problems(lab, "eth0")
    assert len(told) == 1, told
    if back:
        getattr(lab, host).ip(back)
        wait_until("over", lambda: not problems(lab, "eth0"))


def test_an_interface_that_comes_back_switched_off_is_one_problem(make_lab):
    """That its sockets cannot be opened is no cause of its own."""
    lab = prepare(make_lab)
    lab.balancer.start_both()
    wait_for_service(lab)
    near, far = lab.balancer.link("eth0")["address"], lab.router.link("balancer")["address"]
    lab.balancer.ip("link del eth0")
    wait_until("the engine says so", lambda: problems(lab, "the interface eth0 is not in"))
    join_anew(lab, near, far, up=False)
    wait_until("it is switched off", lambda: problems(lab, "the interface eth0 is switched off"))
    time.sleep(1)  # the engine tries to open it meanwhile
    told = problems(lab, "eth0")
    assert len(told) == 1, told
