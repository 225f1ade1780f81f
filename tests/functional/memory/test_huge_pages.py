"""Flow tables in huge pages that nobody has mounted: they outlive the engine, and go when they are no longer needed."""

import pathlib
import re

import pytest
from support.host import wait_until
from support.lending import URLS, config, start_lending

PAGES = pathlib.Path("/proc/sys/vm/nr_hugepages")
WANTED = 160  # of 2 MB: DPDK's, and two sets of flow tables


@pytest.fixture
def hugepages():
    """As many huge pages as the tests need; what there was before is there again after them."""
    if any("hugetlbfs" in line.split() and "/run/fairlead-lab" not in line
           for line in pathlib.Path("/proc/self/mounts").read_text().splitlines()):
        pytest.skip("somebody has mounted a hugetlbfs, which lbdp would use instead of its own")
    try:
        before = PAGES.read_text()
        PAGES.write_text(str(int(before) + WANTED))
    except OSError as problem:
        pytest.skip(f"the kernel lets nobody set huge pages aside: {problem}")
    try:
        if int(PAGES.read_text()) < int(before) + WANTED:
            pytest.skip(f"there is no memory for {WANTED} huge pages")
        yield
    finally:
        PAGES.write_text(before)


def mounts(balancer):
    return [line.split() for line in pathlib.Path("/proc/self/mounts").read_text().splitlines()
            if line.split()[1] == str(balancer.run_dir / "huge")]


def restart(balancer):
    balancer.lbdp.kill()
    balancer.lbdp.wait()
    balancer.start_lbdp()
    return re.findall(r"event=memory .*", balancer.lbdp.log.read_text())[-1]


def test_flows_outlive_the_engine_in_huge_pages_without_an_operators_mount(hugepages, make_lab):
    lab = make_lab(backends=2, file_bytes=16 << 20)
    balancer = lab.balancer
    start_lending(lab, hugepages="required")
    assert "flows_on_hugepages=true" in balancer.lbdp.log.read_text(), balancer.lbdp.tail()
    ((device, _, kind, options, *_),) = mounts(balancer)
    assert device == "fairlead" and kind == "hugetlbfs" and "mode=700" in options and "size=" in options
    assert (balancer.run_dir / "flows").readlink() == balancer.run_dir / "huge" / "flows"
    assert balancer.lbctl("trace", "tcp", "10.1.0.2:1", "203.0.113.10:80").code == 0

    wait_until("a backend serves", lambda: lab.client.run(
        "curl", "-sS", "--max-time", "1", URLS["portal"], check=False).returncode == 0)
    download = lab.client.start("slow", "bash", "-o", "pipefail", "-c",
                                'curl -sS --fail --max-time 60 "$0" | sha256sum', "http://203.0.113.10/slow/large")
    assert "flows_taken_over=true flows_on_hugepages=true" in restart(balancer)
    assert len(mounts(balancer)) == 1
    # Tables of another size have a mount of their own size; the old ones are read on.
    balancer.configure(config(lab, hugepages="required", flows="1M"))
    assert "flows_taken_over=false flows_on_hugepages=true" in restart(balancer)
    assert len(mounts(balancer)) == 1
    assert download.is_running(), "too late to test anything"
    assert download.wait(60) == 0 and lab.large_sha256 in download.log.read_text()
    # And where nobody wants them any more, nothing stays mounted.
    balancer.configure(config(lab, hugepages="none", flows="64k"))
    assert "flows_on_hugepages=false" in restart(balancer)
    assert not mounts(balancer) and not (balancer.run_dir / "huge").exists()
    locked = re.search(r"VmLck:\s+(\d+) kB", pathlib.Path(f"/proc/{balancer.lbdp.pid}/status").read_text())
    assert int(locked.group(1)) >= 1024, "flow tables are locked"
    assert balancer.stop_both() == (0, 0)
