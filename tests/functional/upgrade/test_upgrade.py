"""Both programs are upgraded from an earlier commit's, under load: connections live on, whatever the order.

FAIRLEAD_OLD_BUILD names the build directory of the old side; tools/test --only upgrade makes it and sets that.
"""

import os
import pathlib

import pytest
from support import api
from support.host import LabError, wait_until
from support.lab import Lab
from support.lending import HTTP_SERVICES, URLS, config, start_backend_agent


@pytest.fixture
def lab(request, build_dir):
    """The lending platform with the old side's programs running, a load on every service, and slow downloads."""
    old = os.environ.get("FAIRLEAD_OLD_BUILD")
    if not old:
        pytest.skip("FAIRLEAD_OLD_BUILD names no build of the old side; tools/test --only upgrade makes one")
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    with Lab(backends=3, build=build_dir, file_bytes=32 << 20) as made:
        try:
            for backend in made.backends:
                start_backend_agent(made, backend)
            made.balancer.configure(config(made))
            made.balancer.build = pathlib.Path(old)
            made.balancer.start_both()
            wait_until("every backend serves", lambda: api.all_serve(made.balancer), timeout_s=20)
            made.balancer.build = build_dir  # from now on
            yield made
        finally:
            if getattr(request.node, "failed", False):
                print(made.logs())


def start_downloads(lab):
    """Of each service one that takes 16 s, tracked, and whose backend another ring would not choose again."""
    downloads = {}
    for name, vip, _, _, _ in HTTP_SERVICES:
        url = (f"http://[{vip}]" if ":" in vip else f"http://{vip}") + "/slow/large"
        downloads[name] = lab.client.start(f"slow-{name}", "bash", "-o", "pipefail", "-c",
                                           'curl -sS --globoff --fail --max-time 120 "$0" | sha256sum', url)
    wait_until("each download is tracked", lambda: all(
        any(b["active_flows"] for b in api.get(lab.balancer, f"/api/v1/services/{name}")["backends"])
        for name in downloads))
    for name in downloads:
        for backend, weight in (("b1", 1), ("b2", 100), ("b3", 7)):
            status, answer = api.call(lab.balancer, "PATCH", f"/api/v1/services/{name}/backends/{backend}?wait=5s",
                                      {"weight": weight})
            assert status == 200, answer
    return downloads


def assert_whole(lab, downloads):
    for name, download in downloads.items():
        assert download.wait(120) == 0, f"{name}: {download.tail()}"
        assert lab.large_sha256 in download.log.read_text(), name


def indexes(balancer):
    return {key: b["index"] for key, b in api.backends(balancer).items()}


def restart_lbdp(balancer):
    balancer.lbdp.kill()
    balancer.lbdp.wait()
    balancer.start_lbdp()


def end_lbd(balancer):
    balancer.lbd.kill()
    balancer.lbd.wait()


def restart_lbd(balancer):
    end_lbd(balancer)
    balancer.start_lbd()


def test_connections_live_on(lab):
    balancer = lab.balancer
    downloads = start_downloads(lab)
    before = indexes(balancer)
    restart_lbdp(balancer)
    restart_lbd(balancer)
    assert all(download.is_running() for download in downloads.values()), "too late to test anything"
    wait_until("the new engine is read", lambda: balancer.lbctl("status", "--check", check=False).code == 0)
    assert indexes(balancer) == before
    assert_whole(lab, downloads)
    for url in URLS.values():
        assert lab.client.get(url) in {"b1", "b2", "b3"}


def test_a_daemon_that_comes_first_is_refused_where_the_tables_have_another_layout(lab):
    balancer = lab.balancer
    downloads = start_downloads(lab)
    before = indexes(balancer)
    end_lbd(balancer)
    with pytest.raises(LabError) as refused:
        balancer.start_lbd()
    assert "restart lbdp by its new version" in str(refused.value)
    restart_lbdp(balancer)
    assert "event=tables-do-not-fit" in balancer.lbdp.log.read_text()
    balancer.start_lbd()
    wait_until("the new engine forwards", lambda: balancer.lbctl("status", "--check", check=False).code == 0)
    assert all(download.is_running() for download in downloads.values()), "too late to test anything"
    assert indexes(balancer) == before
    assert_whole(lab, downloads)
