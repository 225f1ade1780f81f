"""The state directory on its worst days: what was answered holds, and what was refused does not, whatever fails."""

import contextlib
import json
import resource
import sqlite3
import subprocess
import time

import pytest
from one_lbd import BACKENDS, UNCHECKED, UnixConnection, service_lines
from support.balancer import program, start_and_wait
from support.host import wait_until
from test_slow import LEAVES_IN_S, kill_and_time, times_down, two_servers

APP_1 = "/api/v1/services/portal/backends/app-1"
# What SQLite and the lock do with the files of the directory, and what may come of each.
CALLS = {"openat": ("EIO", "ENOSPC", "EROFS", "EMFILE"), "pwrite64": ("EIO", "ENOSPC"), "fdatasync": ("EIO",),
         "unlink": ("EIO", "EROFS"), "pread64": ("EIO",)}
MOST_CALLS = 8  # of a kind in one change


class Injection:
    """strace on a running lbd, which has calls on the state files fail; strace's own words of what it did."""

    def __init__(self, daemon, expression, calls):
        directory = daemon.host.state_dir
        self.report = daemon.host.directory / "strace.txt"
        paths = [word for name in ("state.db", "state.db-journal") for word in ("-P", directory / name)]
        name = f"strace-{len(daemon.host.processes)}"  # its log is its own
        self.process = daemon.host.start(
            name, "strace", "-f", "-o", self.report, *paths, "-P", directory, "-e", f"trace={calls}",
            "-e", f"inject={expression}", "-p", daemon.host.lbd.pid)
        wait_until("strace is attached", lambda: "attached" in self.process.tail())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stop()

    def has_struck(self):
        return "INJECTED" in self.report.read_text()


def start_one(daemon):
    """A service whose checks change nothing, so that only what is asked is written."""
    daemon.configure(service_lines("portal", [("app-1", BACKENDS[0]), ("app-2", BACKENDS[1])], health=UNCHECKED))
    start_quietly(daemon)


def start_quietly(daemon):
    daemon.start()
    settle(daemon)


def settle(daemon):
    """Since when each backend is what it is has been written, too: what is written next is what is asked next."""
    def is_written():
        path = f"file:{daemon.host.state_dir}/state.db?mode=ro"
        with contextlib.closing(sqlite3.connect(path, uri=True)) as database:
            try:
                kept = dict(database.execute("SELECT backend, effective FROM history").fetchall())
            except sqlite3.OperationalError:
                return False
        return kept == {each["name"]: each["effective"] for each in daemon.get("/api/v1/backends")["backends"]}

    wait_until("the history is written", is_written)


def drain(daemon):
    return daemon.ask("PATCH", APP_1 + "?force=1", {"admin": "drain"})


@pytest.mark.parametrize("call", CALLS)
def test_every_failing_call_of_a_change(daemon, call):
    """Each call in turn fails once: the change is made or refused, whole, also after a kill."""
    start_one(daemon)
    struck = made = refused = 0
    for error in CALLS[call]:
        for number in range(1, MOST_CALLS + 1):
            with Injection(daemon, f"{call}:error={error}:when={number}", call) as injection:
                answer = drain(daemon)
                has_struck = injection.has_struck()
            where = f"{call} number {number}: {error}: {answer.status} {answer.text[:300]}"
            assert answer.status in (200, 500), where
            made, refused = made + (answer.status == 200), refused + (answer.status == 500)
            assert daemon.backend("portal/app-1")["admin"] == ("drain" if answer.status == 200 else "ready"), where
            daemon.kill()
            daemon.start()
            assert daemon.backend("portal/app-1")["admin"] == ("drain" if answer.status == 200 else "ready"), where
            assert not any("state.db" in problem for problem in daemon.status()["problems"]), where
            daemon.patch("portal/app-1", admin="ready")
            settle(daemon)
            struck += has_struck
            if not has_struck:
                break
    print(f"{call}: {struck} failures, {made} times made all the same, {refused} times refused")
    assert struck > 0 and refused > 0


@pytest.mark.parametrize("call", ["openat", "pread64"])
def test_every_failing_call_of_a_start(daemon, call):
    """lbd starts, says what it could not read, and loses nothing by it."""
    start_one(daemon)
    daemon.patch("portal/app-1", admin="drain")
    daemon.kill()
    struck = 0
    for number in range(1, 12):
        command = ["strace", "-f", "-o", daemon.host.directory / "strace.txt"]
        for name in ("state.db", "state.db-journal"):
            command += ["-P", daemon.host.state_dir / name]
        command += ["-e", f"trace={call}", "-e", f"inject={call}:error=EIO:when={number}"]
        process = start_under(daemon, command)
        has_struck = "INJECTED" in (daemon.host.directory / "strace.txt").read_text()
        told = [each for each in daemon.status()["problems"] if "state.db" in each]
        assert told or daemon.backend("portal/app-1")["admin"] == "drain", f"{call} number {number}: it says so"
        if told:
            print(f"{call} number {number}: {told}")
            if "cannot be read" in told[0]:
                assert daemon.ask("PATCH", APP_1, {"weight": 7}).status == 500, "nothing is written over the unread"
        process.kill()
        process.wait()
        daemon.start()
        assert daemon.backend("portal/app-1")["admin"] == "drain", f"{call} number {number}"
        daemon.kill()
        struck += has_struck
        if not has_struck:
            break
    assert struck > 0


def start_under(daemon, command):
    words = [*command, program(daemon.host.build, "lbd"), *daemon.host.where(), "--state-dir", daemon.host.state_dir]
    return start_and_wait(daemon.host, "lbd", words)


@pytest.mark.parametrize("call", ["pwrite64", "fdatasync", "unlink"])
def test_a_kill_at_every_step_of_a_change(daemon, call):
    start_one(daemon)
    kills = 0
    for number in range(1, MOST_CALLS + 1):
        with Injection(daemon, f"{call}:signal=SIGKILL:when={number}", call):
            try:
                answered = drain(daemon).status
            except OSError:
                answered = None
                kills += 1
        if answered is not None:
            assert answered == 200
        daemon.host.lbd.kill()
        daemon.host.lbd.wait()
        daemon.start()
        admin = daemon.backend("portal/app-1")["admin"]
        assert admin in (("drain",) if answered else ("drain", "ready"))
        assert not any("state.db" in problem for problem in daemon.status()["problems"])
        daemon.patch("portal/app-1", admin="ready")
        settle(daemon)
        if answered is not None:
            break
    print(f"{call}: killed {kills} times")
    assert kills > 0


@contextlib.contextmanager
def mounted(daemon, *options):
    subprocess.run(["mount", *options, daemon.host.state_dir], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", daemon.host.state_dir], check=True)


def test_a_read_only_file_system(daemon):
    with mounted(daemon, "-t", "tmpfs", "tmpfs"):
        start_one(daemon)
        daemon.patch("portal/app-1", admin="drain")
        daemon.kill()
        subprocess.run(["mount", "-o", "remount,ro", daemon.host.state_dir], check=True)
        daemon.start()
        assert daemon.backend("portal/app-1")["admin"] == "drain", "what can be read is in force"
        answer = daemon.ask("PATCH", APP_1, {"admin": "ready"})
        assert (answer.status, answer.error["code"]) == (500, "internal"), answer.text
        assert "the change cannot be kept, so it was not made" in answer.error["message"]
        assert any("nothing can be changed: state.db" in each for each in daemon.status()["problems"])
        subprocess.run(["mount", "-o", "remount,rw", daemon.host.state_dir], check=True)
        daemon.patch("portal/app-1", admin="ready")
        assert not any("state.db" in each for each in daemon.status()["problems"]), "it is over, and said so"
        assert daemon.host.lbd.stop() == 0


def test_a_full_file_system(daemon):
    with mounted(daemon, "-t", "tmpfs", "-o", "size=256k", "tmpfs"):
        start_one(daemon)
        filler = daemon.host.state_dir / "filler"
        with contextlib.suppress(OSError), open(filler, "wb", buffering=0) as out:
            while True:
                out.write(b"x" * 4096)
        answer = drain(daemon)
        assert answer.status == 500 and "full" in answer.error["message"], answer.text
        daemon.kill()
        daemon.start()
        assert daemon.backend("portal/app-1")["admin"] == "ready"
        filler.unlink()
        daemon.patch("portal/app-1", admin="drain")
        assert daemon.host.lbd.stop() == 0


def test_no_descriptors_for_a_change(daemon):
    start_one(daemon)
    lbd = daemon.host.lbd
    connection = UnixConnection(daemon.socket, 20)

    def ask(method, path, body=None):
        connection.request(method, path, body and json.dumps(body))
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())

    assert ask("GET", "/api/v1/version")[0] == 200
    before = resource.prlimit(lbd.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(lbd.pid, resource.RLIMIT_NOFILE, (3, before[1]))
    try:
        status, answer = ask("PATCH", APP_1 + "?force=1", {"admin": "drain"})
    finally:
        resource.prlimit(lbd.pid, resource.RLIMIT_NOFILE, before)
    assert status == 500, answer
    assert ask("GET", APP_1)[1]["admin"] == "ready"
    assert ask("PATCH", APP_1 + "?force=1", {"admin": "drain"})[0] == 200
    connection.close()


def test_a_disk_that_takes_four_seconds_a_sync(daemon):
    _, dies = two_servers(daemon)
    daemon.start()
    daemon.wait_health("portal/dies", "up")
    daemon.wait_health("portal/well", "up")
    with Injection(daemon, "fdatasync:delay_enter=4000000", "fdatasync"):
        began = time.monotonic()
        waiting = UnixConnection(daemon.socket, 60)
        waiting.request("PATCH", "/api/v1/services/portal/backends/well", json.dumps({"weight": 9}))
        looks = []
        while time.monotonic() - began < 3:
            looked = time.monotonic()
            assert daemon.backend("portal/well")["weight"] == 1, "a change is in force when it is on disk"
            looks.append(time.monotonic() - looked)
        assert max(looks) < 0.5, "questions are answered meanwhile"
        assert any("has not taken a change for" in each for each in daemon.status()["problems"])
        assert kill_and_time(daemon, dies) < LEAVES_IN_S
        assert waiting.getresponse().status == 200
        assert time.monotonic() - began >= 4
        assert daemon.backend("portal/well")["weight"] == 9
        waiting.close()
        assert times_down(daemon) == 0


def test_two_daemons_never_share_a_state_directory(daemon):
    daemon.start()
    other = daemon.start_again(run_dir=daemon.host.directory / "other-run")
    assert other.returncode == 1
    assert f"is in use by lbd with run directory {daemon.host.run_dir}, pid {daemon.host.lbd.pid}" in other.stderr
    assert "--state-dir" in other.stderr


def test_times_and_counts_go_on_over_a_restart(daemon):
    daemon.configure(service_lines("portal", [("app-1", BACKENDS[0]), ("app-2", BACKENDS[1])], health=UNCHECKED))
    daemon.start()
    for _ in range(3):
        daemon.patch("portal/app-1", admin="drain")
        daemon.patch("portal/app-1", admin="ready")
    daemon.patch("portal/app-2", admin="drain")
    before = daemon.get("/api/v1/backends")["backends"]
    count = daemon.host.metric("fairlead_backend_transitions_total", backend="app-1")
    started = daemon.host.metric("fairlead_backend_drain_start_timestamp_seconds", backend="app-2")
    assert (count, started > 0) == (6, True)
    assert daemon.host.lbd.stop() == 0
    time.sleep(1)
    daemon.start()
    after = daemon.get("/api/v1/backends")["backends"]
    assert [each["since"] for each in after] == [each["since"] for each in before]
    assert daemon.host.metric("fairlead_backend_transitions_total", backend="app-1") == count
    assert daemon.host.metric("fairlead_backend_drain_start_timestamp_seconds", backend="app-2") == started


def test_a_service_that_is_missing_by_mistake_keeps_what_was_set(daemon):
    services = [service_lines("portal", [("app-1", BACKENDS[0]), ("app-2", BACKENDS[1])], health=UNCHECKED),
                service_lines("shop", [("s-1", BACKENDS[2])], vip="203.0.113.11:8080", health=UNCHECKED)]
    daemon.configure(*services)
    daemon.start()
    daemon.patch("portal/app-1", admin="maint", reason="its disk is dead")
    daemon.configure(services[1])
    assert daemon.reload(force=True).status == 200
    daemon.kill()
    daemon.configure(*services)
    daemon.start()
    assert daemon.backend("portal/app-1")["admin"] == "maint"
    assert daemon.backend("portal/app-1")["overrides"][0]["reason"] == "its disk is dead"
