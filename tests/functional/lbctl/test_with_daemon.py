"""Every word of lbctl against a real lbd and a real engine."""

import json
import os
import pty
import re
import signal
import time

import pytest
from support import api
from support.balancer import program
from support.host import wait_until
from support.lending import config

FAILED, USAGE, UNREACHABLE, NOT_FOUND, REFUSED, TIMED_OUT = 1, 2, 3, 4, 5, 6
SERVICES = ["portal", "api", "payments", "credit-score", "notifications"]


def rows(table):
    """Lines of a table as {title: cell}; columns are two spaces apart."""
    lines = [re.split(r"\s{2,}", line.strip()) for line in table.splitlines()]
    return [dict(zip(lines[0], line)) for line in lines[1:]]


def test_status_is_a_page_that_names_the_node_the_engine_and_its_workers(platform):
    platform.balancer.lbctl("backend", "weight", "portal/b1", "11", "--wait")
    platform.balancer.lbctl("backend", "weight", "portal/b1", "10", "--wait")
    page = platform.balancer.lbctl("status").out
    assert re.search(r"^Node +lb1, fairlead \d+\.\d+\.\d+, lbd pid \d+, running for ", page, re.MULTILINE)
    assert re.search(r"^Engine +forwarding, pid \d+, generation \d+ acknowledged by all 2 workers", page, re.MULTILINE)
    assert re.search(r"^Services +5 of 5 up$", page, re.MULTILINE)
    assert re.search(r"^Backends +15 serving, 0 draining, 0 out, of 15$", page, re.MULTILINE)
    assert re.search(r"^edge +\S+ +eth0, (native|generic) +up ", page, re.MULTILINE)
    assert "No problems." in page
    assert "\x1b" not in page  # no terminal, no colors
    told = platform.balancer.lbctl("-o", "json", "status").json()
    assert told["engine"]["up"] is True and len(told["engine"]["workers"]) == 2
    check = platform.balancer.lbctl("status", "--check")
    assert (check.code, check.out) == (0, f"OK: 5 services up, 15 backends serving, generation {told['generation']}\n")


def test_lists_and_single_objects(platform):
    lbctl = platform.balancer.lbctl
    assert [row["NAME"] for row in rows(lbctl("service", "list").out)] == SERVICES
    assert {row["STATE"] for row in rows(lbctl("service", "list").out)} == {"up"}
    assert len(lbctl("-o", "json", "service", "list").json()["services"]) == 5

    page = lbctl("service", "show", "payments").out
    assert "203.0.113.20:80 tcp, by ipip" in page and "payments/b3" in page
    assert lbctl("-o", "json", "service", "show", "payments").json()["name"] == "payments"

    everything = rows(lbctl("backend", "list").out)
    assert [row["BACKEND"] for row in everything] == [f"{s}/b{n}" for s in SERVICES for n in (1, 2, 3)]
    for selection in ("portal", "portal/*"):
        assert [row["BACKEND"] for row in rows(lbctl("backend", "list", selection).out)] \
            == ["portal/b1", "portal/b2", "portal/b3"]
    one = lbctl("-o", "json", "backend", "list", "portal/b2").json()["backends"]
    assert [backend["name"] for backend in one] == ["b2"]
    assert re.search(r"^State +serving \(admin ready, health up\) for ", lbctl("backend", "show", "portal/b2").out,
                     re.MULTILINE)
    checks = rows(lbctl("health", "list").out)
    assert {check["STATE"] for check in checks} == {"up"} and len(checks) == 15
    assert len(lbctl("-o", "json", "health", "list").json()["checks"]) == 15


def test_versions(platform):
    told = platform.balancer.lbctl("-o", "json", "version").json()
    assert told["lbctl"] == told["lbd"] == told["engine"]
    assert platform.balancer.lbctl("version").out.split() == ["lbctl", told["lbctl"], "lbd", told["lbd"],
                                                              "engine", told["engine"]]


@pytest.mark.parametrize("words", [
    ["drops", "nothing"],
    ["service", "show", "nothing"], ["backend", "show", "portal/nothing"], ["backend", "show", "nothing/b1"],
    ["backend", "list", "nothing"], ["backend", "list", "portal/nothing"], ["backend", "drain", "portal/nothing"],
    ["backend", "ready", "nothing/*"], ["backend", "weight", "portal/nothing", "3"],
    ["backend", "remove", "portal/nothing"], ["backend", "maint", "por tal/b%1"],
    ["backend", "add", "nothing/b1", "--address", "10.2.0.99"]], ids=" ".join)
def test_what_is_not_there_exits_4_and_is_named(platform, words):
    done = platform.balancer.lbctl(*words, check=False)
    assert (done.code, done.out) == (NOT_FOUND, ""), done.err
    assert "nothing" in done.err or "por tal" in done.err


def test_a_change_says_what_it_did_and_its_undo_works_as_printed(platform):
    balancer = platform.balancer
    for words, told, undone in [
            (["drain", "portal/b2"], "portal/b2: ready -> drain", "ready"),
            (["maint", "portal/b2"], "portal/b2: ready -> maint", "ready"),
            (["halt", "portal/b2"], "portal/b2: ready -> maint", "ready")]:
        done = balancer.lbctl("backend", *words, "--wait", "--timeout", "20s", "--reason", "the test's")
        assert told in done.err and re.search(r"generation \d+ acknowledged by 2 workers in [\d.]+ ms", done.err)
        assert done.out == ""
        shown = balancer.lbctl("backend", "show", "portal/b2").out
        kept = words[0].replace("halt", "maint")
        assert re.search(rf"Override +admin = {kept} by root .*, \d+s ago: the test's", shown)
        undo = re.search(r"Undo: lbctl (.+)", done.err).group(1).split()
        balancer.run(program(balancer.build, "lbctl"), *undo)
        assert api.backends(balancer)["portal/b2"]["admin"] == undone
    done = balancer.lbctl("backend", "weight", "portal/b2", "77", "--wait")
    assert "portal/b2: weight 10 -> 77, generation" in done.err
    assert "77 (file: 10)" in balancer.lbctl("backend", "list", "portal").out
    balancer.run(program(balancer.build, "lbctl"), *re.search(r"Undo: lbctl (.+)", done.err).group(1).split())
    again = balancer.lbctl("backend", "weight", "portal/b2", "10")
    assert "nothing changed" in again.err


def test_all_backends_of_a_service_at_once(platform):
    lbctl = platform.balancer.lbctl
    done = lbctl("-o", "json", "backend", "weight", "api/*", "20", "--wait")
    assert [change["backend"]["name"] for change in done.json()["changes"]] == ["b1", "b2", "b3"]
    assert done.err.count("weight 10 -> 20") == 3
    lbctl("backend", "weight", "api/*", "10")
    for word, *more in (["drain"], ["weight", "0"]):
        refused = lbctl("backend", word, "api/*", *more, check=False)
        assert refused.code == REFUSED and "--force" in refused.err
    assert {b["weight"] for b in api.get(platform.balancer, "/api/v1/services/api")["backends"]} == {10}
    assert {b["admin"] for b in api.get(platform.balancer, "/api/v1/services/api")["backends"]} == {"ready"}
    assert lbctl("backend", "drain", "api/*", "--force", "--wait").err.count("ready -> drain") == 3
    assert lbctl("status", "--check", check=False).code == 2
    lbctl("backend", "online", "api/*", "--wait")


def test_the_last_serving_backend_is_guarded(platform):
    lbctl = platform.balancer.lbctl
    lbctl("backend", "drain", "payments/b1")
    lbctl("backend", "maint", "payments/b2")
    for word, *more in (["drain"], ["maint"], ["remove"], ["weight", "0"]):
        refused = lbctl("backend", word, "payments/b3", *more, check=False)
        assert refused.code == REFUSED and "--force" in refused.err, refused.err
        assert "1 of the 1 backends that serve (b3)" in refused.err, refused.err
        b3 = api.backends(platform.balancer)["payments/b3"]
        assert (b3["admin"], b3["weight"], b3["removing"]) == ("ready", 10, False)
    lbctl("backend", "drain", "payments/b3", "--force", "--wait")
    # Nothing serves now, so there is nothing left to guard.
    lbctl("backend", "maint", "payments/b3")
    lbctl("backend", "ready", "payments/*", "--wait")


def test_more_than_half_of_the_weight_is_guarded(platform):
    lbctl = platform.balancer.lbctl
    lbctl("backend", "weight", "payments/b1", "30")
    refused = lbctl("backend", "drain", "payments/b1", check=False)
    assert refused.code == REFUSED and "--force" in refused.err, refused.err
    assert "with 30 of 50 of the weight: more than half" in refused.err, refused.err
    lbctl("backend", "drain", "payments/b2")  # 10 of 50
    lbctl("backend", "ready", "payments/b2")
    lbctl("backend", "drain", "payments/b1", "--force")
    lbctl("backend", "ready", "payments/b1")
    lbctl("backend", "weight", "payments/b1", "10")


def test_a_reload_that_takes_too_much_away_is_guarded(platform):
    balancer = platform.balancer
    before = balancer.config.read_text()
    generation = api.get(balancer, "/api/v1/status")["generation"]
    balancer.configure(config(platform, backends=platform.backends[:1]))
    try:
        refused = balancer.lbctl("reload", check=False)
        assert refused.code == REFUSED and "--force" in refused.err, refused.err
        assert "payments would lose 2 of the 3 backends that serve (b2, b3)" in refused.err, refused.err
        assert len(api.backends(balancer)) == 15
        balancer.reload_by_signal()
        wait_until("the refusal of the signal's reload is in the log", lambda: re.search(
            r'event=reload-refused by=SIGHUP .*payments would lose 2 of the 3',
            (balancer.directory / "lbd.log").read_text()))
        assert len(api.backends(balancer)) == 15
        status = api.get(balancer, "/api/v1/status")
        assert status["generation"] == generation
        assert any("the last reload was refused: " in told and "--force" in told for told in status["problems"])
        assert balancer.lbctl("status", "--check", check=False).code == 1
        assert "removed backend payments/b2" in balancer.lbctl("reload", "--force", "--wait").err
    finally:
        balancer.configure(before)
        balancer.lbctl("reload")
        wait_until("every backend serves", lambda: api.all_serve(balancer))


def test_add_and_remove(platform):
    lbctl = platform.balancer.lbctl
    added = lbctl("backend", "add", "portal/b9", "--address", "10.2.0.99", "--weight", "4", "--published")
    assert "portal/b9: added at 10.2.0.99 with weight 4, generation" in added.err
    assert "added at run time" in lbctl("backend", "show", "portal/b9").out
    assert lbctl("backend", "add", "portal/b9", "--address", "10.2.0.98", check=False).code == REFUSED
    wrong = lbctl("backend", "add", "portal/b10", "--address", "nowhere", check=False)
    assert wrong.code == FAILED and "nowhere" in wrong.err
    removed = lbctl("backend", "remove", "portal/b9", "--wait")
    assert "backend add portal/b9 --address 10.2.0.99 --weight 4" in removed.err
    assert lbctl("backend", "show", "portal/b9", check=False).code == NOT_FOUND


def test_a_daemon_that_hangs_is_given_up_and_one_that_goes_on_is_fine(platform):
    platform.balancer.lbd.signal(signal.SIGSTOP)
    try:
        hung = platform.balancer.lbctl("status", check=False)
        assert hung.code == UNREACHABLE and "does not answer" in hung.err
    finally:
        platform.balancer.lbd.signal(signal.SIGCONT)
    platform.balancer.lbctl("status")


def test_waiting_for_a_worker_that_hangs_ends_with_6_and_its_name(platform):
    platform.balancer.lbdp.signal(signal.SIGSTOP)
    try:
        done = platform.balancer.lbctl("backend", "weight", "portal/b1", "11", "--wait", "--timeout", "500ms",
                                       check=False)
        assert done.code == TIMED_OUT and "worker" in done.err, done.err
        assert api.backends(platform.balancer)["portal/b1"]["weight"] == 11
        assert platform.balancer.lbctl("status", "--check", check=False).code in (1, 2)
    finally:
        platform.balancer.lbdp.signal(signal.SIGCONT)
    platform.balancer.lbctl("backend", "weight", "portal/b1", "10", "--wait")


def on_a_terminal(balancer, words, environment):
    """What lbctl writes to a terminal of 80 columns."""
    command = balancer.enter([program(balancer.build, "lbctl"), "--run-dir", balancer.run_dir, *words])
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe(command[0], command, environment)
    text = b""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            text += os.read(terminal, 65536)
        except OSError:
            break
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), text.decode()


def test_colors_are_for_terminals_and_no_color_is_honoured(platform):
    plain = {"PATH": os.environ["PATH"], "TERM": "xterm"}
    assert "\x1b[32mforwarding" in on_a_terminal(platform.balancer, ["status"], plain)[1]
    assert "\x1b" not in on_a_terminal(platform.balancer, ["status"], {**plain, "NO_COLOR": "1"})[1]
    assert "\x1b" not in on_a_terminal(platform.balancer, ["status"], {**plain, "TERM": "dumb"})[1]
    assert "\x1b[32m" in platform.balancer.lbctl("--color", "always", "status").out


def test_drain_shows_its_progress_on_a_terminal(platform):
    download = platform.client.start("slow", "curl", "-sS", "--limit-rate", "1m", "-o", "/dev/null",
                                     "http://203.0.113.10/slow/large")
    name = wait_until("the download is tracked", lambda: next(
        (b["name"] for b in api.get(platform.balancer, "/api/v1/services/portal")["backends"] if b["active_flows"]),
        None))
    code, text = on_a_terminal(platform.balancer, ["backend", "drain", f"portal/{name}", "--wait", "--timeout", "1s"],
                               {"PATH": os.environ["PATH"], "TERM": "xterm"})
    assert code == TIMED_OUT
    assert text.count(f"\r\x1b[Kportal/{name}: 1 flow left, ") >= 3
    download.stop()
    platform.balancer.lbctl("backend", "ready", f"portal/{name}")


def test_json_is_the_daemons_answer(platform):
    told = platform.balancer.lbctl("-o", "json", "service", "show", "portal").json()
    asked = api.get(platform.balancer, "/api/v1/services/portal")
    assert told.keys() == asked.keys() and [b["name"] for b in told["backends"]] == ["b1", "b2", "b3"]
    failed = platform.balancer.lbctl("-o", "json", "service", "show", "nothing", check=False)
    assert (failed.code, failed.out) == (NOT_FOUND, "")
    assert json.loads(platform.balancer.lbctl("-o", "json", "reload").out)["changed"] is False
