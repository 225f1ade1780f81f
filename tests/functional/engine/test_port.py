"""lbdp on a kernel interface: two workers on two queues of a veth, beside everything else on that interface."""

import json
import pathlib
import re
import signal
import subprocess
import time

import pytest

from support import lending
from support.engine_lab import (OWN4, OWN6, URL, VIP, answers, config, download, join_anew, prepare, slow_url,
                                wait_for_service, xdp_program)
from support.host import wait_until
from support.lab import http_url


@pytest.fixture
def lab(make_lab):
    """Both programs running, the portal up."""
    lab = prepare(make_lab)
    lab.balancer.start_both()
    wait_for_service(lab)
    return lab


def steered_vips(lab):
    """The VIPs in the steering program's map, as hexadecimal digits."""
    dump = lab.balancer.run("bpftool", "-j", "map", "dump", "pinned", lab.balancer.run_dir / "bpf" / "vips").stdout
    return {"".join(byte.removeprefix("0x") for byte in entry["key"]) for entry in json.loads(dump)}


def test_both_workers_forward(lab):
    before = [lab.balancer.metric("fairlead_worker_packets_total", worker=str(worker)) for worker in range(2)]
    assert lab.client.sha256_of(URL + "files/large") == lab.large_sha256
    result = lab.client.wrk(URL, seconds=2, connections=8)
    assert result.failed == 0 and result.requests > 100, result.text
    for worker in range(2):
        received = lab.balancer.metric("fairlead_worker_packets_total", worker=str(worker)) - before[worker]
        assert received > result.requests / 2, f"worker {worker}: {received} packets, {result.requests} requests"
        assert lab.balancer.metric("fairlead_worker_busy_seconds_total", worker=str(worker)) > 0
    wait_until("the port has counted them",
               lambda: lab.balancer.metric("fairlead_port_receive_packets_total", port="edge") > 2 * result.requests)
    assert lab.balancer.metric("fairlead_port_up", port="edge") == 1


def voluntary_switches(lab):
    """How often each of the engine's workers has slept so far."""
    tasks = pathlib.Path(f"/proc/{lab.balancer.lbdp.pid}/task").iterdir()
    status = [(task / "status").read_text() for task in tasks]
    return {re.search(r"Name:\s+(.+)", text)[1]: int(re.search(r"\bvoluntary_ctxt_switches:\s+(\d+)", text)[1])
            for text in status if re.search(r"Name:\s+worker-", text)}


def test_a_spinning_engine_forwards_and_never_sleeps(make_lab):
    """What a configuration without `idle` gets."""
    lab = prepare(make_lab)
    lab.balancer.configure(config(lab).replace('idle = "yield"\n', ""))
    lab.balancer.start_both()
    wait_for_service(lab)
    before = voluntary_switches(lab)
    assert lab.client.sha256_of(URL + "files/large") == lab.large_sha256
    result = lab.client.wrk(URL, seconds=2, connections=8)
    assert result.failed == 0 and result.requests > 100, result.text
    slept = {name: switches - before[name] for name, switches in voluntary_switches(lab).items()}
    assert len(slept) == 2 and all(switches < 100 for switches in slept.values()), slept
    assert lab.balancer.metric("fairlead_engine_up") == 1


def test_everything_that_is_not_for_a_vip_is_the_kernels(lab):
    """Ping, TCP both ways and ARP on the balancer's own addresses, while the engine is under load."""
    content = (lab.files / "large").read_bytes()
    served = lab.balancer.start("http", "/usr/bin/python3", "-m", "http.server", "8022", "--bind", "::",
                                "--directory", lab.files)
    wait_until("the balancer's own server listens",
               lambda: "8022" in lab.balancer.run("ss", "-Hltn", "sport = :8022").stdout)
    load = lab.client.start_load(URL, connections=2, pause_ms=5)
    for own in (OWN4, OWN6):
        ping = lab.client.run("ping", "-c", "20", "-i", "0.02", "-W", "2", own).stdout
        assert " 0% packet loss" in ping
        assert lab.client.sha256_of(http_url(own, "/large", port=8022)) == lab.large_sha256
    # Out of the same interface, too: the balancer is a client here.
    assert lab.balancer.run("curl", "-sS", "--fail", http_url(lab.backends[0].addresses[4])).stdout.strip() == "b1"
    wait_until("what the kernel got is counted",
               lambda: lab.balancer.metric("fairlead_port_kernel_packets_total", port="edge") > 100)
    lab.balancer.ip("neigh flush dev eth0")
    assert " 0% packet loss" in lab.balancer.run("ping", "-c", "3", "-i", "0.1", "10.2.0.1").stdout
    assert [entry["error"] for entry in load.stop() if entry["error"]] == []
    assert served.is_running() and len(content) == lab.large_bytes


def test_a_frame_as_large_as_the_mtu_reaches_the_engine(lab):
    """1,600 bytes of IP on the edge, and 1,500 after them: all arrive, whole, and are answered."""
    for size in (1572, 1472, 8):
        answer = lab.router.run("ping", "-c", "1", "-W", "5", "-M", "do", "-s", size, VIP).stdout
        assert f"{size + 8} bytes from {VIP}" in answer
    assert lab.balancer.metric("fairlead_replies_total", kind="echo") == 3


def test_two_interfaces_are_two_ports(make_lab):
    """Without huge pages. What comes by the one leaves by the other, where the backends are."""
    lab = prepare(make_lab, hugepages="none",
                  port_keys='[[port]]\nname = "uplink"\ninterface = "eth1"')
    queues = "numrxqueues 2 numtxqueues 2"
    lab.router.ip(f"link add uplink {queues} mtu 1600 type veth peer name eth1 mtu 1600 {queues} "
                  f"netns {lab.balancer.namespace}",
                  "link set uplink up", "addr add 10.3.0.1/24 dev uplink", f"route replace {VIP}/32 via 10.3.0.2")
    lab.balancer.ip("link set eth1 up", "addr add 10.3.0.2/24 dev eth1")
    lab.router.plain_checksums("uplink")
    lab.balancer.plain_checksums("eth1")
    lab.balancer.start_both()
    wait_for_service(lab)

    def received(port):
        return lab.balancer.metric("fairlead_port_receive_packets_total", port=port)

    before = {port: received(port) for port in ("edge", "uplink")}
    result = lab.client.wrk(URL, seconds=2, connections=8)
    assert result.failed == 0 and result.requests > 100, result.text
    wait_until("the uplink has counted them", lambda: received("uplink") - before["uplink"] > 2 * result.requests)
    assert received("edge") - before["edge"] < result.requests / 10, "the client's packets come by the uplink alone"


def test_vips_come_and_go_with_the_configuration(make_lab):
    """Applied means that packets for the new VIP reach the engine. (A service with flows would go when they have.)"""
    lab = prepare(make_lab)
    lab.balancer.start_both()
    portal, api = {"00000000000000000000ffffcb00710a"}, {"20010db8000000000000000000000010"}
    wait_until("the portal's VIP is steered", lambda: steered_vips(lab) == portal)
    lab.balancer.configure(config(lab, services=lending.SERVICES[1:2]))
    lab.balancer.lbctl("reload", "--wait", "--force")
    assert steered_vips(lab) >= api
    wait_until("the portal's VIP is the kernel's again", lambda: steered_vips(lab) == api)
    wait_for_service(lab, lending.URLS["api"])


def test_it_starts_before_the_daemon_and_waits(make_lab):
    lab = prepare(make_lab)
    lab.balancer.start_lbdp()  # returns at READY=1
    assert not answers(lab)
    lab.balancer.start_lbd()
    wait_for_service(lab)


def test_a_second_engine_is_refused_and_the_first_goes_on(lab):
    first = lab.balancer.lbdp
    program_before = xdp_program(lab)
    with download(lab, slow_url()):
        second = lab.balancer.start_lbdp(wait=False)
        assert second.wait(10) == 1
        assert "another lbdp runs on" in second.tail(1)
        assert first.is_running() and xdp_program(lab) == program_before
    lab.balancer.lbdp = first


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL], ids=lambda how: how.name)
def test_a_connection_outlives_the_engine(lab, how):
    """Stopped and killed in the middle of a download; what is lost meanwhile TCP sends again."""
    with download(lab, slow_url()):
        program_before = xdp_program(lab)
        began = time.monotonic()
        lab.balancer.lbdp.signal(how)
        code = lab.balancer.lbdp.wait(2)
        assert code == (-signal.SIGKILL if how == signal.SIGKILL else 0), lab.balancer.lbdp.tail()
        assert time.monotonic() - began < 2
        # The program stays and keeps the VIP from the kernel, which would reset the connection.
        assert xdp_program(lab) == program_before
        lab.balancer.start_lbdp()
        assert xdp_program(lab) not in (None, program_before)
    # The client's ACKs of what was still on its way: dropped, or sent on where its slot has been the same long enough.
    wait_until("what came meanwhile is counted", lambda: sum(
        lab.balancer.metric(f"fairlead_port_{what}_packets_total", port="edge") for what in ("no_socket", "away")) > 0)
    wait_for_service(lab)


def test_a_flow_stays_where_it_began_over_a_restart(make_lab):
    """The ring no longer knows the backend of this download: only the flow table of the last engine does."""
    lab = prepare(make_lab)
    lab.balancer.start_both()
    wait_for_service(lab)
    with download(lab, slow_url()):
        carrier = next(b for b in lab.backends if connections_of(b))
        assert lab.balancer.lbdp.stop() == 0
        lab.balancer.lbctl("backend", "weight", f"portal/{carrier.name}", "0")
        lab.balancer.start_lbdp()
        other = next(b for b in lab.backends if b is not carrier)
        wait_for_service(lab)
        assert {lab.client.get(URL) for _ in range(5)} == {other.name}
        assert connections_of(carrier)


def test_a_flow_stays_where_it_began_over_a_restart_with_larger_tables(make_lab):
    lab = prepare(make_lab)
    lab.balancer.start_both()
    wait_for_service(lab)
    with download(lab, slow_url()):
        carrier = next(b for b in lab.backends if connections_of(b))
        assert lab.balancer.lbdp.stop() == 0
        lab.balancer.lbctl("backend", "weight", f"portal/{carrier.name}", "0")
        lab.balancer.configure(lab.balancer.config.read_text().replace('flows = "256k"', 'flows = "512k"'))
        lab.balancer.start_lbdp()
        assert "flows_taken_over=false" in lab.balancer.lbdp.log.read_text()
        wait_for_service(lab)
    assert lab.balancer.metric("fairlead_flow_lookups_total", result="adopted") >= 1


def connections_of(backend):
    """Established connections to the VIP's port on this backend."""
    listing = backend.run("ss", "-Htn", "state", "established", f"src {VIP} and sport = :80").stdout
    return len(listing.splitlines())


def test_it_can_start_again_after_the_interface_was_made_anew(lab):
    """The pinned link belongs to an interface that is gone. The addresses stay, so that no neighbor has to learn."""
    assert lab.balancer.lbdp.stop() == 0
    near, far = lab.balancer.link("eth0")["address"], lab.router.link("balancer")["address"]
    lab.balancer.ip("link del eth0")
    join_anew(lab, near, far)
    lab.balancer.start_lbdp()
    assert xdp_program(lab) is not None
    wait_for_service(lab)


# ---- huge pages -----------------------------------------------------------------------------------

NR_HUGEPAGES = pathlib.Path("/proc/sys/vm/nr_hugepages")


@pytest.fixture
def huge_pages(tmp_path):
    """256 pages and a mount of their own, put back afterwards. Before make_lab, whose programs use them."""
    before = NR_HUGEPAGES.read_text(encoding="ascii")
    NR_HUGEPAGES.write_text("256", encoding="ascii")
    mount = tmp_path / "huge"
    mount.mkdir()
    try:
        if int(NR_HUGEPAGES.read_text(encoding="ascii")) < 256:
            pytest.skip("the kernel cannot set 256 huge pages aside")
        subprocess.run(["mount", "-t", "hugetlbfs", "none", mount], check=True)
        yield mount
    finally:
        NR_HUGEPAGES.write_text(before, encoding="ascii")
        if mount.is_mount():
            for path in mount.glob("fairlead-*/flows"):
                path.unlink()
            subprocess.run(["umount", "--lazy", mount], check=True)


def free_huge_pages():
    lines = pathlib.Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("HugePages_Free")))


def file_system_of(path):
    done = subprocess.run(["stat", "-L", "-f", "-c", "%T", path], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_with_huge_pages(huge_pages, make_lab):
    lab = prepare(make_lab, hugepages="required")
    free = free_huge_pages()
    lab.balancer.start_both()
    wait_for_service(lab)
    assert lab.client.sha256_of(URL + "files/large") == lab.large_sha256
    assert free - free_huge_pages() >= 10
    flows = lab.balancer.run_dir / "flows"
    assert flows.is_symlink() and file_system_of(flows) == "hugetlbfs"
    with download(lab, slow_url()):
        lab.balancer.lbdp.kill()
        lab.balancer.lbdp.wait()
        lab.balancer.start_lbdp()
    assert "flows_taken_over=true" in lab.balancer.lbdp.tail()
    assert lab.balancer.lbdp.stop() == 0
    # Only the flow tables stay, for the next engine.
    pages = flows.stat().st_size // (2 << 20)
    wait_until(f"all huge pages but {pages} are free again", lambda: free - free_huge_pages() == pages)


def test_without_huge_pages_although_there_are_some(huge_pages, make_lab):
    lab = prepare(make_lab, hugepages="none")
    free = free_huge_pages()
    lab.balancer.start_both()
    wait_for_service(lab)
    assert lab.client.sha256_of(URL + "files/large") == lab.large_sha256
    assert free_huge_pages() == free
    assert list(huge_pages.iterdir()) == []
