"""The service manager's watchdog: the word comes while the program turns, and stops when it does not."""

import contextlib
import os
import select
import signal
import socket
import time

import pytest

from support import threads
from support.balancer import program
from support.host import wait_until

INTERVAL_S = 0.8


@contextlib.contextmanager
def service_manager(path):
    """What a service manager hears at this path."""
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(path))
        yield heard
    path.unlink(missing_ok=True)


def words(heard, seconds, word=b"WATCHDOG=1"):
    """How often the word comes within that time."""
    count, end = 0, time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if select.select([heard], [], [], left)[0]:
            count += word in heard.recv(4096)
    return count


def restart(platform, name, heard, **environment):
    """The program anew, with this service manager; returns when it is ready."""
    balancer = platform.balancer
    old = getattr(balancer, name)
    assert old.stop() == 0
    command = [program(balancer.build, name), *balancer.where()]
    command += ["--state-dir", balancer.state_dir] if name == "lbd" else []
    path = heard.getsockname()
    process = balancer.start(name, *command, environment={**os.environ, "NOTIFY_SOCKET": path, **environment})
    setattr(balancer, name, process)
    wait_until(f"{name} is ready", lambda: words(heard, 0.2, b"READY=1"), 30)
    return process


@pytest.mark.parametrize("name", ["lbdp", "lbd"])
def test_the_word_comes_at_half_the_interval_and_not_while_the_program_is_stopped(platform, name):
    with service_manager(platform.balancer.directory / "watchdog.notify") as heard:
        process = restart(platform, name, heard, WATCHDOG_USEC=str(int(INTERVAL_S * 1e6)))
        assert 3 <= words(heard, 3) <= 8, "every 0.4 s"
        process.signal(signal.SIGSTOP)
        try:
            words(heard, 0.1)
            assert words(heard, 2 * INTERVAL_S) == 0
        finally:
            process.signal(signal.SIGCONT)
        assert words(heard, 2) >= 2
        process = restart(platform, name, heard)
        assert words(heard, 2) == 0, "nobody has asked for it"


@pytest.mark.parametrize("thread", ["worker-0", "worker-1", None])
def test_the_engine_keeps_the_word_back_while_one_of_its_threads_stands_still(platform, thread):
    with service_manager(platform.balancer.directory / "watchdog.notify") as heard:
        pid = restart(platform, "lbdp", heard, WATCHDOG_USEC=str(int(INTERVAL_S * 1e6))).pid
        assert words(heard, 2) >= 2
        with threads.stopped(pid if thread is None else threads.thread_id(pid, thread)):
            words(heard, INTERVAL_S)
            assert words(heard, 2 * INTERVAL_S) == 0
        assert words(heard, 2) >= 2
