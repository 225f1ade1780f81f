"""One host: a network namespace, and the programs that were started in it.

Programs are entered by nsenter and not by `ip netns exec`, which would give them a /sys of their own
without /sys/fs/bpf.
"""

import json
import os
import pathlib
import select
import signal
import subprocess
import time

NETNS = pathlib.Path("/run/netns")


class LabError(Exception):
    """Something of the lab itself did not work; the message says what and where."""


class Process:
    """A program that the lab started. Its own session, so that the whole group can be ended."""

    def __init__(self, name, command, log, environment=None):
        self.name = name
        self.command = [str(word) for word in command]
        self.log = pathlib.Path(log)
        with open(self.log, "ab") as out:
            self.popen = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                          env=environment, start_new_session=True)

    @property
    def pid(self):
        return self.popen.pid

    def is_running(self):
        return self.popen.poll() is None

    def kill(self, sig=signal.SIGKILL):
        """Sends a signal to the program and what it started; nothing if it has ended."""
        if self.is_running():
            os.killpg(self.pid, sig)

    def signal(self, sig):
        """Sends a signal to the program alone."""
        if self.is_running():
            os.kill(self.pid, sig)

    def wait(self, timeout_s=5.0):
        """The exit code (negative: the signal). LabError if it does not end in time."""
        try:
            return self.popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise LabError(f"{self.name} (pid {self.pid}) did not end in {timeout_s} s\n{self.tail()}") from None

    def stop(self, timeout_s=5.0):
        """SIGTERM, then SIGKILL to what is left of its group. The exit code."""
        self.signal(signal.SIGTERM)
        try:
            code = self.popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            code = None
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        return self.popen.wait(timeout_s) if code is None else code

    def tail(self, lines=30):
        """The end of its output, for messages."""
        text = self.log.read_text(errors="replace").splitlines()[-lines:]
        return f"--- {self.log.name}\n" + "\n".join(text)


def wait_until(what, condition, timeout_s=10.0, interval_s=0.02):
    """Returns the first true value of condition(); LabError with what was waited for after the deadline.

    For states that no event tells of. The pause is between two looks, not in place of one.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise LabError(f"not within {timeout_s} s: {what}")
        select.select([], [], [], interval_s)


class Host:
    """A network namespace with the loopback up. `directory` is the host's own, for logs and files."""

    def __init__(self, namespace, name, directory):
        self.namespace = namespace
        self.name = name
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.processes = []
        _run(["ip", "netns", "add", namespace])
        # Addresses are usable at once, and nothing but what the lab configures is.
        self.sysctl({
            "net.ipv4.conf.all.rp_filter": 0, "net.ipv4.conf.default.rp_filter": 0,
            "net.ipv4.conf.all.send_redirects": 0, "net.ipv4.conf.default.send_redirects": 0,
            "net.ipv6.conf.default.accept_dad": 0, "net.ipv6.conf.default.accept_ra": 0,
            "net.ipv6.conf.all.disable_ipv6": 0, "net.ipv6.conf.default.disable_ipv6": 0,
        })
        self.ip("link set lo up")

    def enter(self, command):
        return ["nsenter", f"--net={NETNS / self.namespace}", *[str(word) for word in command]]

    def run(self, *command, check=True, timeout_s=60.0, text=True, **options):
        """Runs a program to its end in this host; LabError with its output if it fails."""
        return _run(self.enter(command), check=check, timeout_s=timeout_s, text=text, **options)

    def start(self, name, *command, environment=None):
        """Starts a program that runs on; its output goes to NAME.log in the host's directory."""
        process = Process(name, self.enter(command), self.directory / f"{name}.log", environment)
        self.processes.append(process)
        return process

    def ip(self, *lines):
        """`ip` commands without the word ip, one a line, as one batch."""
        _run(["ip", "-n", self.namespace, "-batch", "-"], input="\n".join(lines) + "\n")

    def sysctl(self, settings):
        self.run("sysctl", "-q", "-w", *[f"{key}={value}" for key, value in settings.items()])

    def link(self, device):
        """`ip -s -j link show` of one device: counters in ["stats64"], ["address"], ["mtu"]."""
        return json.loads(_run(["ip", "-n", self.namespace, "-s", "-j", "link", "show", "dev", device]).stdout)[0]

    def plain_checksums(self, device):
        """Packets on this device look as they would on a wire: no offload leaves work for later."""
        self.run("ethtool", "-K", device, "tx", "off", "sg", "off", "tso", "off", "gso", "off", "gro", "off")

    def pids(self):
        """Every process in the namespace: all of them are the lab's."""
        return [int(word) for word in _run(["ip", "netns", "pids", self.namespace], check=False).stdout.split()]


def _run(command, check=True, timeout_s=60.0, text=True, **options):
    options.setdefault("stdin", None if "input" in options else subprocess.DEVNULL)
    if "input" in options:
        options.pop("stdin")
    done = subprocess.run(command, capture_output=True, text=text, check=False, timeout=timeout_s, **options)
    if check and done.returncode != 0:
        words = done.stderr if text else done.stderr.decode(errors="replace")
        raise LabError(f"{' '.join(command)}: exit {done.returncode}: {words.strip()}")
    return done
