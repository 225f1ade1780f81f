"""The client: curl, wrk, a UDP question, and a load that knows the fate of every request."""

import dataclasses
import json
import pathlib
import re
import signal
import sys

from support.host import Host, LabError, wait_until

HERE = pathlib.Path(__file__).resolve().parent


@dataclasses.dataclass
class WrkResult:
    requests: int
    errors: dict       # connect, read, write, timeout
    bad_status: int    # not 2xx or 3xx
    requests_per_second: float
    text: str

    @property
    def failed(self):
        return sum(self.errors.values()) + self.bad_status


class Client(Host):
    """Host from which the users come."""

    def get(self, url, *options, timeout_s=10):
        """The body. LabError with curl's words if the answer is not 2xx."""
        return self.run("curl", "-sS", "--fail", "--globoff", "--max-time", timeout_s, *options, url,
                        timeout_s=timeout_s + 5).stdout.strip()

    def sha256_of(self, url, timeout_s=60):
        """Downloads, and returns the hash of what came."""
        pipeline = 'curl -sS --fail --globoff --max-time "$1" "$0" | sha256sum'
        done = self.run("bash", "-o", "pipefail", "-c", pipeline, url, timeout_s, timeout_s=timeout_s + 5)
        return done.stdout.split()[0]

    def upload(self, url, path, timeout_s=60):
        """PUTs a file; the HTTP status."""
        return int(self.run("curl", "-sS", "--globoff", "--max-time", timeout_s, "-T", path, "-o", "/dev/null",
                            "-w", "%{http_code}", url, timeout_s=timeout_s + 5).stdout)

    def wrk(self, url, seconds=2, connections=8, threads=1, closing=True):
        """wrk's own count of requests and of everything that went wrong."""
        header = ["-H", "Connection: close"] if closing else []
        text = self.run("wrk", "-d", f"{seconds}s", "-c", connections, "-t", threads, *header, url,
                        timeout_s=seconds + 30).stdout
        return parse_wrk(text)

    def udp(self, address, port, payload, timeout_s=2):
        """Sends one datagram and returns the answer, or None."""
        done = self.run(sys.executable, "-c", UDP_QUESTION, address, port, payload, timeout_s, check=False,
                        timeout_s=timeout_s + 5)
        return done.stdout.strip() or None

    def start_load(self, url, connections=4, pause_ms=0):
        """A load of closing connections in the background; see Load."""
        name = f"load-{len(self.processes)}"
        report = self.directory / f"{name}.jsonl"
        process = self.start(name, sys.executable, "-u", HERE / "http_load.py", url, connections, pause_ms, report)
        load = Load(process, report)
        wait_until("the load has begun", lambda: load.results() or not process.is_running())
        return load


class Load:
    """Requests of a running http_load.py, each {"at": monotonic s, "ms", "backend", "error"}."""

    def __init__(self, process, report):
        self.process = process
        self.report = report

    def results(self):
        if not self.report.exists():
            return []
        text = self.report.read_text()
        return [json.loads(line) for line in text[:text.rfind("\n") + 1].splitlines()]

    def failures(self):
        return [r for r in self.results() if r["error"]]

    def wait_for(self, what, condition, timeout_s=10.0):
        """Until condition(results) is true."""
        return wait_until(what, lambda: condition(self.results()), timeout_s)

    def wait_for_more(self, count, timeout_s=10.0):
        """Until `count` more requests have ended."""
        seen = len(self.results())
        return self.wait_for(f"{count} more requests", lambda results: len(results) >= seen + count, timeout_s)

    def stop(self):
        """Ends it and returns all results."""
        self.process.signal(signal.SIGTERM)
        if self.process.wait(15) != 0:
            raise LabError(self.process.tail())
        return self.results()


def parse_wrk(text):
    total = re.search(r"(\d+) requests in", text)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    if not total or not rate:
        raise LabError(f"not wrk's output: {text}")
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    counts = dict(zip(("connect", "read", "write", "timeout"), map(int, errors.groups()))) if errors else {}
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    return WrkResult(int(total.group(1)), counts, int(bad.group(1)) if bad else 0, float(rate.group(1)), text)


UDP_QUESTION = """
import socket, sys
address, port, payload, timeout = sys.argv[1:]
family = socket.AF_INET6 if ":" in address else socket.AF_INET
with socket.socket(family, socket.SOCK_DGRAM) as question:
    question.settimeout(float(timeout))
    question.connect((address, int(port)))
    question.send(payload.encode())
    try:
        print(question.recv(65536).decode())
    except OSError as error:
        print(error, file=sys.stderr)
"""
