"""What is slow or stuck around lbd stops no check: nobody who is well is declared down, and the dead leave in time."""

import datetime
import json
import os
import resource
import signal
import sys
import time

from one_lbd import BACKENDS, UNCHECKED, UnixConnection, service_lines
from support.balancer import program, start_and_wait
from support.host import wait_until

INTERVAL_S, TIMEOUT_S, FALL = 0.1, 0.08, 3
# A dead server's last good check may have begun just before; each check after it takes its time-out.
LEAVES_IN_S = INTERVAL_S * (FALL + 1) + TIMEOUT_S + 0.2


def two_servers(daemon):
    daemon.configure(service_lines("portal", [("well", BACKENDS[0]), ("dies", BACKENDS[1])]))
    return daemon.serve(BACKENDS[0]), daemon.serve(BACKENDS[1])


def times_down(daemon, name="well"):
    return sum(1 for line in daemon.log().splitlines()
               if "event=health " in line and f"backend=portal/{name} " in line
               and ("state=down" in line or "state=falling" in line))


def kill_and_time(daemon, server):
    """How long after its end a server is out."""
    server.kill()
    server.wait()
    died = time.monotonic()
    wait_until("it is out", lambda: daemon.backend("portal/dies")["effective"] == "out", interval_s=0.005)
    took = time.monotonic() - died
    print(f"out {took:.3f} s after its end, {LEAVES_IN_S:.2f} s are its time")
    return took


def test_a_log_that_nobody_reads(daemon):
    _, dies = two_servers(daemon)
    fifo = daemon.host.directory / "log.fifo"
    os.mkfifo(fifo)
    unread = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        daemon.host.lbd = daemon.host.start(
            "lbd", sys.executable, "-c",
            "import os, sys; os.dup2(os.open(sys.argv[1], os.O_WRONLY), 2); os.execv(sys.argv[2], sys.argv[2:])",
            fifo, program(daemon.host.build, "lbd"), *daemon.host.where(), "--state-dir", daemon.host.state_dir)
        wait_until("lbd answers", daemon.socket.exists)
        daemon.wait_health("portal/dies", "up")
        daemon.wait_health("portal/well", "up")
        began = time.monotonic()
        refused = 0
        daemon.host.config.write_text("no configuration")

        def is_told():
            return any("the log loses lines" in each for each in daemon.status()["problems"])

        while time.monotonic() - began < 60 and not is_told():
            for _ in range(500):
                refused += 1
                assert daemon.reload().status == 422
        print(f"{refused} reloads refused, {daemon.host.metric('log_lost_lines_total'):.0f} lines lost")
        assert daemon.host.metric("log_lost_lines_total") > 0
        assert kill_and_time(daemon, dies) < LEAVES_IN_S
        assert daemon.backend("portal/well")["health"] == "up"
        assert daemon.host.metric("fairlead_backend_transitions_total", backend="well") <= 1, "it came up once"
        stopped = time.monotonic()
        assert daemon.host.lbd.stop() == 0
        assert time.monotonic() - stopped < 2, "it ends in time all the same"
    finally:
        os.close(unread)


def test_a_cpu_that_is_taken_away(daemon):
    _, dies = two_servers(daemon)
    lbd = daemon.start()
    daemon.wait_health("portal/dies", "up")
    daemon.wait_health("portal/well", "up")
    for pause in (0.05, 0.1, 0.15, 0.3, 2.0, 0.07, 0.2, 2.0):
        lbd.signal(signal.SIGSTOP)
        time.sleep(pause)
        lbd.signal(signal.SIGCONT)
        time.sleep(0.15)
    assert times_down(daemon) == 0, daemon.log()
    assert kill_and_time(daemon, dies) < LEAVES_IN_S
    assert times_down(daemon) == 0


def test_a_cpu_that_others_want(daemon):
    """The daemon has a hundredth of a CPU that hogs keep busy."""
    _, dies = two_servers(daemon)
    lbd = daemon.start()
    daemon.wait_health("portal/dies", "up")
    daemon.wait_health("portal/well", "up")
    cpu = max(os.sched_getaffinity(0))
    for task in os.listdir(f"/proc/{lbd.pid}/task"):
        os.sched_setaffinity(int(task), {cpu})
        os.setpriority(os.PRIO_PROCESS, int(task), 19)
    hog = ["taskset", "-c", cpu, "nice", "-n", "-5", sys.executable, "-c", "while True: pass"]
    hogs = [daemon.host.start(f"hog-{i}", *hog) for i in range(3)]
    try:
        time.sleep(5)
        assert times_down(daemon) == 0, daemon.log()
        dies.kill()
        dies.wait()
        died = time.monotonic()
        wait_until("the dead one is out", lambda: daemon.backend("portal/dies")["effective"] == "out", 30)
        print(f"out {time.monotonic() - died:.1f} s after its end")
        assert times_down(daemon) == 0
    finally:
        for each in hogs:
            each.kill()


def test_no_descriptors(daemon):
    _, dies = two_servers(daemon)
    lbd = daemon.start()
    daemon.wait_health("portal/dies", "up")
    daemon.wait_health("portal/well", "up")
    connection = UnixConnection(daemon.socket, 20)

    def problems():
        connection.request("GET", "/api/v1/status")
        return json.loads(connection.getresponse().read())["problems"]

    assert not [each for each in problems() if "checked" in each]
    before = resource.prlimit(lbd.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(lbd.pid, resource.RLIMIT_NOFILE, (3, before[1]))
    try:
        told = wait_until("it is a problem", lambda: [each for each in problems() if "not be checked" in each], 3)
        assert told == ["2 of 2 backends could not be checked when it was their turn, and are taken for what they were "
                        "before: not checked: Too many open files on this host"]
    finally:
        resource.prlimit(lbd.pid, resource.RLIMIT_NOFILE, before)
    wait_until("it is none any more", lambda: not [each for each in problems() if "not be checked" in each], 3)
    connection.close()
    assert times_down(daemon) == 0, daemon.log()
    assert kill_and_time(daemon, dies) < LEAVES_IN_S


READERS = """
import os, random, socket, sys, threading, time
os.setgroups([]); os.setgid(65534); os.setuid(65534)
socket_path, until = sys.argv[1], time.monotonic() + float(sys.argv[2])
counts = {"answers": 0, "refused": 0}
def read():
    while time.monotonic() < until:
        try:
            s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            s.settimeout(10)
            s.connect(socket_path)
            while time.monotonic() < until:
                path = random.choice([b"/api/v1/backends", b"/metrics"])
                s.sendall(b"GET " + path + b" HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
                got = s.recv(1 << 16)
                if b" 200 " not in got[:20]:
                    counts["refused"] += 1
                    break
                head = got.index(b"\\r\\n\\r\\n") + 4
                size = int(got.lower().split(b"content-length:")[1].split()[0]) + head - len(got)
                while size > 0:
                    more = s.recv(1 << 20)
                    if not more:
                        break
                    size -= len(more)
                counts["answers"] += 1
            s.close()
        except OSError:
            time.sleep(0.05)
threading.stack_size(1 << 18)
threads = [threading.Thread(target=read, daemon=True) for _ in range(1000)]
for each in threads: each.start()
time.sleep(float(sys.argv[2]) + 0.5)
print(counts, flush=True)
os._exit(0)
"""


def test_a_thousand_readers_of_the_largest_answers(daemon):
    """As a user who may change nothing; 1,500 other backends make the answers long."""
    others = [(f"o-{i}", f"10.77.{i // 250}.{i % 250 + 1}") for i in range(1500)]
    daemon.configure(service_lines("portal", [("well", BACKENDS[0]), ("dies", BACKENDS[1])]),
                     service_lines("large", others, vip="203.0.113.11:8080", health=UNCHECKED))
    daemon.serve(BACKENDS[0])
    dies = daemon.serve(BACKENDS[1])
    daemon.start()
    daemon.wait_health("portal/dies", "up")
    daemon.wait_health("portal/well", "up")
    readers = daemon.host.start("readers", sys.executable, "-c", READERS, daemon.socket, 8)
    time.sleep(2)
    slowest = 0
    for weight in range(1, 20):
        asked = time.monotonic()
        daemon.patch("portal/well", weight=weight)  # root's change is made all the same
        slowest = max(slowest, time.monotonic() - asked)
        time.sleep(0.05)
    dies.kill()
    dies.wait()
    died = time.time()
    wait_until("it is out", lambda: daemon.backend("portal/dies")["effective"] == "out", interval_s=0.02)
    out = next(line for line in daemon.log().splitlines() if "portal/dies" in line and "state=down" in line)
    took = datetime.datetime.fromisoformat(out.split()[0]).timestamp() - died
    print(f"out {took:.3f} s after its end, {LEAVES_IN_S:.2f} s are its time; a change took {slowest:.3f} s at most")
    readers.wait(20)
    print(readers.tail(1))
    assert took < LEAVES_IN_S
    assert slowest < 1
    assert times_down(daemon) == 0


HANGING_NSS = """
#include <grp.h>
#include <pwd.h>
#include <unistd.h>
int getpwuid_r(uid_t u, struct passwd* p, char* b, size_t n, struct passwd** r) {
    (void)u; (void)p; (void)b; (void)n; (void)r; for (;;) pause();
}
int getgrnam_r(const char* g, struct group* p, char* b, size_t n, struct group** r) {
    (void)g; (void)p; (void)b; (void)n; (void)r; for (;;) pause();
}
"""


def test_a_user_database_that_never_answers(daemon):
    _, dies = two_servers(daemon)
    source, library = daemon.host.directory / "nss.c", daemon.host.directory / "nss.so"
    source.write_text(HANGING_NSS)
    daemon.host.run("cc", "-shared", "-fPIC", "-o", library, source)
    daemon.host.lbd = start_and_wait(
        daemon.host, "lbd", ["env", f"LD_PRELOAD={library}", program(daemon.host.build, "lbd"), *daemon.host.where(),
                             "--state-dir", daemon.host.state_dir])
    daemon.wait_health("portal/dies", "up")
    daemon.wait_health("portal/well", "up")
    for weight in (2, 3):
        asked = time.monotonic()
        daemon.patch("portal/well", weight=weight)
        took = time.monotonic() - asked
        print(f"a change took {took:.3f} s")
        assert took < 0.5
    assert 'by="uid 0"' in [line for line in daemon.log().splitlines() if "event=backend-changed" in line][-1]
    assert kill_and_time(daemon, dies) < LEAVES_IN_S
    assert times_down(daemon) == 0
    stopped = time.monotonic()
    assert daemon.host.lbd.stop() == 0
    assert time.monotonic() - stopped < 2
