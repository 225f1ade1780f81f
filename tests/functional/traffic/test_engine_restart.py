"""The engine is restarted under long transfers: TCP sends again what was lost, and the flows are found again."""

import signal
import time

import pytest
from support import api
from support.host import wait_until
from support.lending import HTTP_SERVICES, SERVICES, URLS, config

LAB = {"file_bytes": 16 << 20}  # 8 s at the 2 MiB/s of /slow/


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGKILL], ids=["SIGTERM", "SIGKILL"])
def test_long_downloads_survive(platform, sig):
    downloads = {}
    for name, vip, _, _, _ in HTTP_SERVICES:
        url = (f"http://[{vip}]" if ":" in vip else f"http://{vip}") + "/slow/large"
        downloads[name] = platform.client.start(
            f"slow-{name}-{sig.name}", "bash", "-o", "pipefail", "-c",
            'curl -sS --globoff --fail --max-time 90 "$0" | sha256sum', url)
    wait_until("each download is tracked", lambda: all(
        any(b["active_flows"] for b in api.get(platform.balancer, f"/api/v1/services/{name}")["backends"])
        for name in downloads))
    # Another ring: what a download goes by from now on is its flow entry alone.
    for name in downloads:
        for backend, weight in (("b1", 1), ("b2", 100), ("b3", 7)):
            platform.balancer.lbctl("backend", "weight", f"{name}/{backend}", weight)
    platform.balancer.lbdp.signal(sig)
    code = platform.balancer.lbdp.wait(10)
    assert code == (0 if sig == signal.SIGTERM else -signal.SIGKILL)
    assert all(download.is_running() for download in downloads.values()), "too late to test anything"
    platform.balancer.start_lbdp()
    for name, download in downloads.items():
        assert download.wait(90) == 0, f"{name}: {download.tail()}"
        assert platform.large_sha256 in download.log.read_text(), name
    for name, url in URLS.items():
        assert platform.client.get(url) in {"b1", "b2", "b3"}, name
    for name in downloads:
        for backend in ("b1", "b2", "b3"):
            platform.balancer.lbctl("backend", "weight", f"{name}/{backend}", 10, "--wait")


def restart_lbdp(balancer):
    balancer.lbdp.kill()
    balancer.lbdp.wait()
    time.sleep(0.5)  # some looks of lbd at what may be forgotten
    balancer.start_lbdp()


def restart_lbd(balancer):
    balancer.lbd.kill()
    balancer.lbd.wait()
    balancer.start_lbd()


@pytest.mark.parametrize("restart, flows", [(restart_lbdp, "256k"), (restart_lbd, "256k"), (restart_lbdp, "64k")],
                         ids=["lbdp", "lbd", "lbdp-with-smaller-tables"])
@pytest.mark.parametrize("leaves", ["backend", "service"])
def test_what_leaves_is_drained_over_a_restart(platform, leaves, restart, flows):
    balancer = platform.balancer
    before = balancer.config.read_text()

    def new_flows():
        return {b["name"]: b["new_flows"] for b in api.get(balancer, "/api/v1/services/portal")["backends"]}

    seen = new_flows()
    download = platform.client.start(
        f"leaving-{leaves}-{restart.__name__}-{flows}", "bash", "-o", "pipefail", "-c",
        'curl -sS --fail --max-time 90 "$0" | sha256sum', "http://203.0.113.10/slow/large")
    name = wait_until("the download is tracked", lambda: next(
        (backend for backend, count in new_flows().items() if count > seen[backend]), None))
    if leaves == "service":
        balancer.configure(config(platform, services=[s for s in SERVICES if s[0] != "portal"], flows=flows))
    else:
        balancer.configure(config(platform, backends=[b for b in platform.backends if b.name != name], flows=flows))
    balancer.lbctl("reload", "--wait", "--force")
    restart(balancer)
    assert download.is_running(), "too late to test anything"
    assert api.get(balancer, f"/api/v1/services/portal/backends/{name}")["removing"]
    assert balancer.lbctl("status", "--check").code == 0, "what is meant to go is no alarm"
    assert download.wait(90) == 0, download.tail()
    assert platform.large_sha256 in download.log.read_text()
    # Back it goes, instead of being forgotten when what has ended has left the flow table, half a minute later.
    balancer.configure(before)
    balancer.lbctl("reload", "--wait")
    if flows != "256k":
        late = balancer.lbctl("backend", "drain", f"portal/{name}", "--wait", "--timeout", "300ms", check=False)
        assert late.code == 6 and "[engine] cpus or flows has changed" in late.err
        balancer.lbctl("backend", "ready", f"portal/{name}")
        restart_lbdp(balancer)
    wait_until("every backend serves", lambda: api.all_serve(balancer))
    assert balancer.lbctl("status", "--check").code == 0


def test_new_connections_are_only_late_while_the_engine_is_away(platform):
    """A SYN that is lost is sent again: a request that begins without an engine is answered by the next one."""
    platform.balancer.lbdp.kill()
    platform.balancer.lbdp.wait()
    check = platform.balancer.lbctl("status", "--check", check=False)
    assert check.code == 2 and check.out.startswith("CRITICAL"), check.out
    curl = ["curl", "-sS", "--globoff", "--fail", "--max-time", "40"]
    waiting = {name: platform.client.start(f"late-{name}", *curl, url) for name, url in URLS.items()}
    platform.balancer.start_lbdp()
    for name, request in waiting.items():
        assert request.wait(45) == 0, f"{name}: {request.tail()}"
    assert platform.balancer.lbctl("status", "--check").code == 0


def test_changes_made_without_an_engine_are_in_force_in_the_next_one(platform):
    platform.balancer.lbdp.stop()
    late = platform.balancer.lbctl("backend", "drain", "portal/b1", "--wait", "--timeout", "300ms", check=False)
    assert late.code == 6 and "engine" in late.err
    platform.balancer.start_lbdp()
    assert {platform.client.get(URLS["portal"]) for _ in range(20)} == {"b2", "b3"}
    platform.balancer.lbctl("backend", "ready", "portal/b1", "--wait")
