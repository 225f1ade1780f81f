"""What an operator does by day: drain, ready, add, remove, weight, reload, with no request failed."""

import concurrent.futures
import re

import pytest
from outcome import count_by_backend, stop_without_failures, wait_for_answers
from support import api
from support.host import wait_until
from support.lending import HTTP_SERVICES, config, start_backend_agent

NAMES = [service[0] for service in HTTP_SERVICES]


def only(names):
    return lambda counts: counts and set(counts) <= set(names) and sum(counts.values()) >= 30


def test_drain_and_ready_while_a_download_runs_to_its_end(platform, loads):
    running = loads()
    lbctl = platform.balancer.lbctl
    vip = "203.0.113.20"
    download = platform.client.start("slow", "bash", "-o", "pipefail", "-c",
                                     'curl -sS --fail --max-time 60 "$0" | sha256sum', f"http://{vip}/slow/large")
    load_ends = [load.process for load in running.values()]
    drained = wait_until("a server sends the download", lambda: next(
        (b.name for b in platform.backends if sends_much(b, vip)), None))
    for name in NAMES:
        done = lbctl("backend", "drain", f"{name}/{drained}", "--reason", "an upgrade")
        assert "ready -> drain" in done.err
    others = {b.name for b in platform.backends} - {drained}
    for name in NAMES:
        wait_for_answers(running[name], only(others), f"{name} goes to the others")
    early = lbctl("backend", "drain", f"payments/{drained}", "--wait", "--timeout", "300ms", check=False)
    assert early.code == 6 and " left after 300 ms" in early.err, early.err
    assert download.is_running() and all(process.is_running() for process in load_ends)

    with concurrent.futures.ThreadPoolExecutor() as pool:
        ended = list(pool.map(lambda name: lbctl("backend", "drain", f"{name}/{drained}", "--wait", timeout_s=240),
                              NAMES))
    for done in ended:
        assert "no flow left" in done.err and "safe to switch off" in done.err
    assert download.wait(1) == 0 and platform.large_sha256 in download.log.read_text()
    for name in NAMES:
        assert drained not in count_by_backend(running[name].results()[-50:])
        lbctl("backend", "ready", f"{name}/{drained}", "--wait")
        wait_for_answers(running[name], lambda counts: counts.get(drained, 0) >= 3, f"{name}/{drained} is back")
    stop_without_failures(running)


def sends_much(backend, vip):
    """Whether a connection to the VIP has sent more than small answers do, and goes on."""
    sockets = backend.run("ss", "-Htni", "state", "established", "src", vip).stdout
    return any(int(sent) > 200_000 for sent in re.findall(r"bytes_sent:(\d+)", sockets))


def test_weights(platform, loads):
    running = loads()
    lbctl = platform.balancer.lbctl
    for weight in (1, 200, 0, 256, 10):
        for name in NAMES:
            lbctl("backend", "weight", f"{name}/b3", weight, "--wait", *(["--force"] if weight == 0 else []))
        if weight == 0:
            for name in NAMES:
                wait_for_answers(running[name], only(["b1", "b2"]), "weight 0 gets nothing new")
        for name in NAMES:
            running[name].wait_for_more(20)
    stop_without_failures(running)


def test_add_and_remove_at_run_time(platform, loads):
    fourth = platform.add_backend()
    start_backend_agent(platform, fourth)
    running = loads()
    lbctl = platform.balancer.lbctl
    for name, vip, _, _, _ in HTTP_SERVICES:
        added = lbctl("backend", "add", f"{name}/b4", "--address", fourth.addresses[6 if ":" in vip else 4],
                      "--weight", 10, "--wait")
        assert f"Undo: lbctl --run-dir {platform.balancer.run_dir} backend remove {name}/b4" in added.err
        assert lbctl("backend", "add", f"{name}/b4", "--address", "10.2.0.99", check=False).code == 5
    for name in NAMES:
        wait_for_answers(running[name], lambda counts: counts.get("b4", 0) >= 5, f"{name}/b4 serves")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        ended = list(pool.map(lambda name: lbctl("backend", "remove", f"{name}/b4", "--wait", timeout_s=240), NAMES))
    assert all("safe to switch off" in done.err for done in ended)
    for name in NAMES:
        assert lbctl("backend", "show", f"{name}/b4", check=False).code == 4
    fourth.kill_nginx()  # as the command has promised
    for name in NAMES:
        running[name].wait_for_more(40)
    stop_without_failures(running)
    assert not any(key.endswith("/b4") for key in api.backends(platform.balancer))


@pytest.mark.parametrize("by", ["lbctl", "SIGHUP"])
def test_reload(platform, loads, by):
    running = loads()
    before = platform.balancer.config.read_text()

    def reload():
        seen = api.get(platform.balancer, "/api/v1/status")["config"]["loaded"]
        if by == "lbctl":
            platform.balancer.lbctl("reload", "--wait")
        else:
            platform.balancer.reload_by_signal()
            wait_until("the file is in force",
                       lambda: api.get(platform.balancer, "/api/v1/status")["config"]["loaded"] > seen)

    two = platform.backends[:2]
    for _ in range(3):
        platform.balancer.configure(config(platform, backends=two, weights={"b1": 3}))
        reload()
        for name in NAMES:
            wait_for_answers(running[name], only(["b1", "b2"]), "the removed backend is drained")
        platform.balancer.configure(before)
        reload()
        for name in NAMES:
            wait_for_answers(running[name], lambda counts: counts.get("b3", 0) >= 3, "b3 is back")
    wait_until("every backend serves", lambda: api.all_serve(platform.balancer))
    stop_without_failures(running)


def test_a_file_with_mistakes_changes_nothing_and_every_mistake_is_told(platform, loads):
    running = loads(pause_ms=50)
    good = platform.balancer.config.read_text()
    before = api.get(platform.balancer, "/api/v1/status")
    platform.balancer.configure(good.replace('weight = 10', 'weihgt = 10').replace('rise = 2', 'rise = "two"'))
    refused = platform.balancer.lbctl("reload", check=False)
    assert refused.code == 1
    assert refused.err.count('unknown key "weihgt"') == good.count("weight = 10")
    assert 'did you mean "weight"?' in refused.err and "fairlead.toml:" in refused.err
    platform.balancer.configure("")
    assert platform.balancer.lbctl("reload", check=False).code == 1
    after = api.get(platform.balancer, "/api/v1/status")
    assert (after["generation"], after["backends"]) == (before["generation"], before["backends"])
    assert after["config"]["last_reload_ok"] is False
    assert platform.balancer.lbctl("status", "--check", check=False).code == 1
    platform.balancer.configure(good)
    assert "in force already" in platform.balancer.lbctl("reload").err
    assert platform.balancer.lbctl("status", "--check").code == 0
    stop_without_failures(running, at_least=10)
