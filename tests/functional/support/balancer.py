"""The balancer: lbd, lbdp and lbctl of a build, in a host; and lbagent on the backends."""

import json
import os
import pathlib
import re
import select
import signal
import socket
import time

from support.host import Host, LabError

READY_TIMEOUT_S = 30


def program(build, name):
    """A program of a build directory, wherever its folder is."""
    if build is None:
        raise LabError("this lab has no programs: give it build=DIRECTORY")
    found = [path for path in sorted(build.glob(f"**/{name}")) if path.is_file() and os.access(path, os.X_OK)]
    if not found:
        raise LabError(f"no {name} in {build}: build first, with tools/test --only build")
    return found[0]


def start_and_wait(host, name, command, timeout_s=READY_TIMEOUT_S):
    """Starts a program that tells the service manager READY=1, and returns when it has."""
    path = host.directory / f"{name}.notify"
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(path))
        process = host.start(name, *command, environment=dict(os.environ, NOTIFY_SOCKET=str(path)))
        try:
            _wait_ready(process, notify, timeout_s)
        finally:
            path.unlink(missing_ok=True)
    return process


def _wait_ready(process, notify, timeout_s):
    ended = os.pidfd_open(process.pid)
    try:
        deadline = time.monotonic() + timeout_s
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                raise LabError(f"{process.name} was not ready in {timeout_s} s\n{process.tail()}")
            readable, _, _ = select.select([notify, ended], [], [], left)
            if notify in readable and b"READY=1" in notify.recv(4096):
                return
            if ended in readable:
                raise LabError(f"{process.name} ended before it was ready, exit {process.wait()}\n{process.tail()}")
    finally:
        os.close(ended)


class LbctlResult:
    def __init__(self, done):
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr

    def json(self):
        return json.loads(self.out)


class Balancer(Host):
    """Host that runs the programs under test. The configuration is one file, rewritten by configure()."""

    def __init__(self, namespace, name, directory, build):
        super().__init__(namespace, name, directory)
        self.build = build
        self.run_dir = self.directory / "run"
        self.state_dir = self.directory / "state"
        self.config = self.directory / "fairlead.toml"
        self.run_dir.mkdir()
        self.state_dir.mkdir()
        self.lbd = None
        self.lbdp = None

    def configure(self, text):
        """Writes the configuration whole: a reader sees the old file or the new one."""
        new = self.config.with_suffix(".new")
        new.write_text(text)
        new.rename(self.config)

    def where(self):
        return ["--config", self.config, "--run-dir", self.run_dir]

    def start_lbd(self, wait=True):
        command = [program(self.build, "lbd"), *self.where(), "--state-dir", self.state_dir]
        self.lbd = start_and_wait(self, "lbd", command) if wait else self.start("lbd", *command)
        return self.lbd

    def start_lbdp(self, wait=True):
        command = [program(self.build, "lbdp"), *self.where()]
        self.lbdp = start_and_wait(self, "lbdp", command) if wait else self.start("lbdp", *command)
        return self.lbdp

    def start_both(self):
        """The engine may wait for its first generation before it is ready: the daemon goes first."""
        self.start_lbd()
        self.start_lbdp()

    def stop_both(self):
        """SIGTERM to both; their exit codes, engine first."""
        return self.lbdp.stop(), self.lbd.stop()

    def reload_by_signal(self):
        self.lbd.signal(signal.SIGHUP)

    def lbctl(self, *words, check=True, timeout_s=30):
        """Runs lbctl against this balancer; LabError if it fails and check is set."""
        command = [program(self.build, "lbctl"), "--run-dir", self.run_dir, *words]
        result = LbctlResult(self.run(*command, check=False, timeout_s=timeout_s))
        if check and result.code != 0:
            raise LabError(f"lbctl {' '.join(map(str, words))}: exit {result.code}\n{result.out}{result.err}")
        return result

    def metrics_text(self, listen="127.0.0.1:9480"):
        return self.run("curl", "-sS", "--fail", "--max-time", "5", f"http://{listen}/metrics").stdout

    def metrics(self, listen="127.0.0.1:9480"):
        """{(name, ((label, value), ...)): number} of a scrape."""
        return parse_metrics(self.metrics_text(listen))

    def metric(self, name, listen="127.0.0.1:9480", **labels):
        """The sum of all series of this name whose labels include these."""
        wanted = set(labels.items())
        return sum(value for (found, have), value in self.metrics(listen).items()
                   if found == name and wanted <= set(have))


def parse_metrics(text):
    series = {}
    for line in text.splitlines():
        match = re.match(r"^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)", line)
        if match and not line.startswith("#"):
            labels = tuple(sorted(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', match.group(2) or "")))
            series[(match.group(1), labels)] = float(match.group(3))
    return series


def start_lbagent(backend, build, *arguments):
    """lbagent on a backend, ready."""
    run_dir = pathlib.Path(backend.directory) / "agent"
    run_dir.mkdir(exist_ok=True)
    return start_and_wait(backend, "lbagent", [program(build, "lbagent"), "--run-dir", run_dir, *arguments])


def remove_lbagent(backend, build):
    """lbagent takes back what it set up on a backend; LabError if it cannot."""
    backend.run(program(build, "lbagent"), "--run-dir", pathlib.Path(backend.directory) / "agent", "--remove")
