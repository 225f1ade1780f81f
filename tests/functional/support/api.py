"""lbd's API from a test's own thread: quicker than a process a request, for loops that never pause."""

import http.client
import json
import socket


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout_s):
        super().__init__("lbd", timeout=timeout_s)
        self._path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def call(balancer, method, target, body=None, timeout_s=10):
    """(status, JSON). OSError or http.client.HTTPException where lbd is not there or dies over it."""
    connection = _UnixConnection(balancer.run_dir / "lbd.sock", timeout_s)
    try:
        connection.request(method, target, json.dumps(body) if body is not None else None)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def get(balancer, target):
    status, answer = call(balancer, "GET", target)
    assert status == 200, (target, status, answer)
    return answer


def backends(balancer):
    """{"portal/b1": BACKEND, ...}"""
    return {f"{b['service']}/{b['name']}": b for b in get(balancer, "/api/v1/backends")["backends"]}


def all_serve(balancer):
    return all(backend["effective"] == "serving" for backend in backends(balancer).values())
