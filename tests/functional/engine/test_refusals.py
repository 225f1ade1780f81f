"""What lbdp says when it cannot start: where, what, and what to do. Nothing stays attached or locked."""

import json
import subprocess

import pytest

from support.balancer import program

PORT = '[[port]]\nname = "edge"\ninterface = "{interface}"\n'
VDEV = """[[port]]
name = "edge"
vdev = "{vdev}"
mac = "02:00:00:00:00:01"
address = ["10.0.0.2/24"]
gateway = "10.0.0.1"
gateway_mac = "02:00:00:00:00:fe"
"""


def config(port=PORT.format(interface="eth0"), cpus="0-1", hugepages="none"):
    return f'[engine]\ncpus = "{cpus}"\nhugepages = "{hugepages}"\nflows = "64k"\nidle = "yield"\n{port}'


@pytest.fixture
def lab(make_lab):
    return make_lab(backends=0, file_bytes=1)


def refusal(balancer, text):
    """Starts lbdp, which must give up, and returns the one line that says why."""
    balancer.configure(text)
    process = balancer.start_lbdp(wait=False)
    assert process.wait(10) == 1, process.tail()
    return process.log.read_text().splitlines()[-1]


def xdp_program_of(host, device="eth0"):
    """The id of the XDP program on a device, or None."""
    link = json.loads(host.run("ip", "-j", "link", "show", "dev", device).stdout)[0]
    return link.get("xdp", {}).get("prog", {}).get("id")


def test_a_port_that_is_not_there(lab):
    said = refusal(lab.balancer, config(PORT.format(interface="eth7")))
    assert "port edge" in said and "eth7" in said and "ip -br link" in said


def test_a_port_that_is_down(lab):
    lab.balancer.ip("link set eth0 down")
    assert "ip link set eth0 up" in refusal(lab.balancer, config())


def test_a_cpu_that_is_not_there(lab):
    said = refusal(lab.balancer, config(cpus="0,999"))
    assert "CPU 999" in said and "it may use 0" in said


def test_a_cpu_outside_of_what_the_process_may_use(lab):
    lab.balancer.configure(config())
    command = ["taskset", "-c", "0", program(lab.build, "lbdp"), *lab.balancer.where()]
    done = lab.balancer.run(*command, check=False)
    assert done.returncode == 1
    assert "CPU 1 " in done.stderr and "it may use 0." in done.stderr


def test_fewer_receive_queues_than_workers_and_a_word_on_both_ways_out(lab):
    lab.balancer.ip("link add narrow type veth peer name other", "link set narrow up", "link set other up")
    said = refusal(lab.balancer, config(PORT.format(interface="narrow"), cpus="0-1"))
    assert "narrow has 1 receive queues" in said
    assert "name 1 CPUs" in said and "ethtool -L narrow" in said
    assert xdp_program_of(lab.balancer, "narrow") is None


def test_an_mtu_that_no_buffer_holds(lab):
    lab.balancer.ip("link set eth0 mtu 9500")
    assert "ip link set eth0 mtu 9216" in refusal(lab.balancer, config())
    assert xdp_program_of(lab.balancer) is None


def test_huge_pages_that_are_required_and_not_there(lab):
    with open("/proc/sys/vm/nr_hugepages", encoding="ascii") as file:
        if int(file.read()) > 8:
            pytest.skip("huge pages are set aside on this machine: vm.nr_hugepages is not 0")
    said = refusal(lab.balancer, config(hugepages="required"))
    assert "sysctl vm.nr_hugepages=" in said and "MB of huge pages are needed and 0 MB are free" in said


def test_without_privileges(lab):
    lab.balancer.configure(config())
    lab.balancer.run_dir.chmod(0o777)
    lab.directory.chmod(0o755)
    command = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups",
               program(lab.build, "lbdp"), *lab.balancer.where()]
    done = lab.balancer.run(*command, check=False)
    assert done.returncode == 1
    assert "CAP_NET_ADMIN" in done.stderr and "run lbdp as root" in done.stderr


def test_somebody_elses_program_on_the_interface_stays_there(lab):
    source = lab.directory / "foreign.c"
    source.write_text('__attribute__((section("xdp"), used)) int foreign(void *c) { return 2; }\n'
                      'char license[] __attribute__((section("license_"), used)) = "GPL";\n')
    subprocess.run(["clang-14", "-O2", "-target", "bpf", "-c", source, "-o", lab.directory / "foreign.o"], check=True)
    lab.balancer.run("ip", "link", "set", "eth0", "xdp", "obj", lab.directory / "foreign.o", "sec", "xdp")
    before = xdp_program_of(lab.balancer)
    assert before is not None
    said = refusal(lab.balancer, config())
    assert f"(id {before})" in said and "ip link set eth0 xdp off" in said
    assert xdp_program_of(lab.balancer) == before


def test_a_device_that_dpdk_does_not_know(lab):
    said = refusal(lab.balancer, config(VDEV.format(vdev="net_nonsense0")))
    assert "port edge" in said and "net_nonsense0" in said


def test_a_device_with_fewer_queues_than_workers(lab):
    capture = lab.directory / "in.pcap"
    capture.write_bytes(bytes.fromhex("d4c3b2a1020004000000000000000000ffff000001000000"))
    vdev = f"net_pcap0,rx_pcap={capture},tx_pcap={lab.directory}/out.pcap"
    said = refusal(lab.balancer, config(VDEV.format(vdev=vdev)))
    assert "net_pcap has 1 queue pairs and there are 2 workers" in said


def test_a_mistake_in_the_configuration(lab):
    lab.balancer.configure(config().replace("flows", "flwos"))
    process = lab.balancer.start_lbdp(wait=False)
    assert process.wait(10) == 1
    assert 'unknown key "flwos"' in process.log.read_text()
    assert list(lab.balancer.run_dir.iterdir()) == []


def test_an_unknown_option(lab):
    done = lab.balancer.run(program(lab.build, "lbdp"), "--nonsense", check=False)
    assert done.returncode == 2 and "--nonsense" in done.stderr


def test_the_version(lab):
    assert lab.balancer.run(program(lab.build, "lbdp"), "--version").stdout.startswith("lbdp 0.")
