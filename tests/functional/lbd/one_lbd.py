"""One lbd and how to talk to it; and web servers that stand for its backends.

The only port is a vdev, so that no engine is needed; the backends' addresses are on the host's own
loopback, where real servers answer the checks.
"""

import http.client
import json
import pathlib
import socket
import sys
import urllib.parse

from support.balancer import program, start_and_wait
from support.host import wait_until

BACKENDS = ["10.9.0.11", "10.9.0.12", "10.9.0.13", "10.9.0.14"]
PORT = 8080
HERE = pathlib.Path(__file__).parent

HEAD = """
[node]
name = "lb1"
seed_file = "{directory}/seed"
[engine]
cpus = "{cpu}"
idle = "yield"
hugepages = "none"
flows = "64k"
[[port]]
name = "edge"
vdev = "net_null0"
mac = "02:00:00:00:00:01"
address = ["10.9.0.1/24"]
[api]
listen = "127.0.0.1:9480"
[defaults.health]
type = "tcp"
interval = "100ms"
timeout = "80ms"
"""


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout_s):
        super().__init__("localhost", timeout=timeout_s)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Answer:
    def __init__(self, status, text):
        self.status, self.text = status, text

    @property
    def json(self):
        return json.loads(self.text)

    @property
    def error(self):
        return self.json["error"]


def backend_lines(name, address, weight=1):
    return f"""
  [[service.backend]]
  name = "{name}"
  address = "{address}"
  weight = {weight}
  mac = "02:00:00:00:00:{int(address.split('.')[-1]):02x}"
"""


def service_lines(name, backends, vip="203.0.113.10:8080", health=""):
    lines = f'[[service]]\nname = "{name}"\nvip = "{vip}"\n'
    if health:
        lines += f"  [service.health]\n{health}\n"
    return lines + "".join(backend_lines(*backend) for backend in backends)


UNCHECKED = '  type = "none"'


class Daemon:
    """lbd on a Balancer. configure() writes the file; start(), kill() and the API do the rest."""

    def __init__(self, host):
        self.host = host
        self.socket = host.run_dir / "lbd.sock"

    def head(self, cpu="0"):
        return HEAD.format(directory=self.host.directory, cpu=cpu)

    def configure(self, *services, head=None):
        services = services or (service_lines("portal", [("app-1", BACKENDS[0], 10), ("app-2", BACKENDS[1], 20)],
                                              health=UNCHECKED),)
        self.host.configure((head or self.head()) + "".join(services))

    def start(self):
        return self.host.start_lbd()

    def start_again(self, config=None, run_dir=None, state_dir=None):
        """Another lbd, on the same directories where not said otherwise, that is to end; its finished process."""
        command = [program(self.host.build, "lbd"), "--config", config or self.host.config,
                   "--run-dir", run_dir or self.host.run_dir, "--state-dir", state_dir or self.host.state_dir]
        return self.host.run(*command, check=False, timeout_s=20)

    def kill(self):
        self.host.lbd.popen.kill()
        self.host.lbd.wait()

    def ask(self, method, path, body=None, timeout_s=20):
        connection = UnixConnection(self.socket, timeout_s)
        try:
            text = body if isinstance(body, (str, bytes)) or body is None else json.dumps(body)
            connection.request(method, path, text)
            answer = connection.getresponse()
            return Answer(answer.status, answer.read().decode())
        finally:
            connection.close()

    def get(self, path):
        answer = self.ask("GET", path)
        assert answer.status == 200, answer.text
        return answer.json

    def change(self, method, path, body=None):
        answer = self.ask(method, path, body)
        assert answer.status in (200, 201), answer.text
        return answer.json

    # Changes are made with force: these services are small, and the guard of a service's last backend has
    # its own tests in tests/functional/lbctl.
    def patch(self, backend, **fields):
        service, name = backend.split("/")
        return self.change("PATCH", f"/api/v1/services/{service}/backends/{name}?force=1", fields)

    def add(self, backend, address, **fields):
        service, name = backend.split("/")
        return self.change("POST", f"/api/v1/services/{service}/backends", {"name": name, "address": address, **fields})

    def remove(self, backend):
        service, name = backend.split("/")
        return self.change("DELETE", f"/api/v1/services/{service}/backends/{name}?force=1")

    def reload(self, force=False):
        return self.ask("POST", "/api/v1/reload" + ("?force=1" if force else ""))

    def backend(self, backend):
        service, name = backend.split("/")
        return self.get(f"/api/v1/services/{service}/backends/{urllib.parse.quote(name)}")

    def names(self, service="portal"):
        return [each["name"] for each in self.get(f"/api/v1/backends?service={service}")["backends"]]

    def status(self):
        return self.get("/api/v1/status")

    def log(self):
        return (self.host.directory / "lbd.log").read_text()

    def wait_health(self, backend, state, timeout_s=10):
        wait_until(f"{backend} is {state}", lambda: self.backend(backend)["health"] == state, timeout_s)

    def start_engine(self):
        return self.host.start_lbdp()

    def serve_raw(self, address, *answers):
        """A server on address:PORT that sends these bytes, each in its turn, and closes (raw_server.py)."""
        server = self.host.start(f"raw-{address}", sys.executable, HERE / "raw_server.py", address, PORT, *answers)
        wait_until(f"{address}:{PORT} listens",
                   lambda: f"{address}:{PORT}" in self.host.run("ss", "-Hltn").stdout)
        return server

    def serve(self, address, status=200):
        """A web server on address:PORT that answers every path with this status."""
        script = (
            "import http.server, sys\n"
            "class H(http.server.BaseHTTPRequestHandler):\n"
            "    def do_GET(self):\n"
            f"        self.send_response({status}); self.send_header('Content-Length', '0'); self.end_headers()\n"
            "    def log_message(self, *_): pass\n"
            f"s = http.server.ThreadingHTTPServer(('{address}', {PORT}), H)\n"
            "import os, socket\n"
            "n = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
            "n.sendto(b'READY=1', os.environ['NOTIFY_SOCKET'])\n"
            "s.serve_forever()\n")
        return start_and_wait(self.host, f"web-{address}", ["/usr/bin/python3", "-c", script])
