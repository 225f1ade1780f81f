"""Requests that are wrong, huge or half sent: each gets an answer in JSON, and lbd goes on."""

import json
import os
import re
import socket
import subprocess
import sys
import time

import pytest
from one_lbd import BACKENDS, UnixConnection
from support.host import wait_until

BACKEND = "/api/v1/services/portal/backends/app-1"
BACKENDS_PATH = "/api/v1/services/portal/backends"


def exchange(path, *pieces, timeout_s=15, half_close=False):
    """Sends bytes as they are, and returns all that comes back until the end of the connection."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
        peer.settimeout(timeout_s)
        peer.connect(str(path))
        try:
            for piece in pieces:
                peer.sendall(piece)
            if half_close:
                peer.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused before it was all sent; the answer is there all the same
        answer = b""
        while chunk := peer.recv(65536):
            answer += chunk
        return answer


def parse(answer):
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)["error"]


WRONG_BODIES = [
    ("PATCH", BACKEND, "", "not JSON"),
    ("PATCH", BACKEND, "{", "not JSON"),
    ("PATCH", BACKEND, "[" * 100000, "not JSON"),
    ("PATCH", BACKEND, "[]", "expected a JSON object with admin, weight, reason"),
    ("PATCH", BACKEND, "{}", "admin or weight"),
    ("PATCH", BACKEND, {"weight": "5"}, "0 to 256, not string"),
    ("PATCH", BACKEND, {"weight": 257}, "0 to 256, not 257"),
    ("PATCH", BACKEND, {"weight": -1}, "0 to 256, not -1"),
    ("PATCH", BACKEND, {"weight": 1.5}, "0 to 256, not 1.5"),
    ("PATCH", BACKEND, {"weight": 18446744073709551617}, "0 to 256"),
    ("PATCH", BACKEND, {"weight": None}, "0 to 256, not null"),
    ("PATCH", BACKEND, {"admin": "off"}, '"ready", "drain" or "maint"'),
    ("PATCH", BACKEND, {"admin": 1}, '"ready", "drain" or "maint", not number'),
    ("PATCH", BACKEND, {"weihgt": 1}, 'unknown key "weihgt"'),
    ("PATCH", BACKEND, {"admin": "drain", "reason": 5}, "reason must be a string"),
    ("PATCH", BACKEND + "?wait=soon", {"weight": 1}, "wait must be a duration"),
    ("PATCH", BACKEND, b'{"admin": "dr\xff\xfein"}', "not JSON"),
    ("POST", BACKENDS_PATH, {}, "name is missing"),
    ("POST", BACKENDS_PATH, {"name": "x"}, "address is missing"),
    ("POST", BACKENDS_PATH, {"name": "x", "address": 5}, "an IPv4 or IPv6 address"),
    ("POST", BACKENDS_PATH, {"name": "x", "address": "10.9.0"}, "an IPv4 or IPv6 address"),
    ("POST", BACKENDS_PATH, {"name": "x", "address": "2001:db8::1"}, "family"),
    ("POST", BACKENDS_PATH, {"name": "x", "address": "127.0.0.1"}, "loopback"),
    ("POST", BACKENDS_PATH, {"name": "x y", "address": BACKENDS[2]}, "name must be"),
    ("POST", BACKENDS_PATH, {"name": "x" * 64, "address": BACKENDS[2]}, "name must be"),
    ("POST", BACKENDS_PATH, {"name": "x", "address": "203.0.113.10"}, "VIP itself"),
    ("DELETE", BACKEND, {"force": True}, 'unknown key "force"'),
    ("POST", "/api/v1/reload", "garbage", "not JSON"),
]


def test_wrong_bodies_are_told_what_was_expected_and_change_nothing(daemon):
    daemon.start()
    before = daemon.get("/api/v1/backends")
    for method, path, body, expected in WRONG_BODIES:
        answer = daemon.ask(method, path, body)
        assert (answer.status, answer.error["code"]) == (400, "bad_request"), (method, path, body, answer.text)
        assert expected in answer.error["message"], (method, path, body, answer.text)
    assert daemon.get("/api/v1/backends") == before
    assert daemon.status()["generation"] == 1


def test_what_is_not_there_and_what_may_not_be_done_there(daemon):
    daemon.start()
    for path in ["/", "/api", "/api/v1", "/api/v1/statuss", "/api/v1/services/nobody", "/api/v1/services/portal/x",
                 BACKENDS_PATH + "/nobody", "/api/v1/backends?service=nobody", "/api/v2/status", "/../etc/passwd"]:
        answer = daemon.ask("GET", path)
        assert (answer.status, answer.error["code"]) == (404, "not_found"), path
    for method, path in [("POST", "/api/v1/status"), ("PUT", BACKEND), ("DELETE", "/api/v1/services"),
                         ("GET", "/api/v1/reload"), ("POST", "/metrics"), ("OPTIONS", "/api/v1/status")]:
        answer = daemon.ask(method, path)
        assert (answer.status, answer.error["code"]) == (405, "method_not_allowed"), (method, path)
    assert daemon.ask("PATCH", BACKENDS_PATH + "/nobody", {"weight": 1}).status == 404
    assert daemon.ask("POST", "/api/v1/services/nobody/backends", {"name": "x", "address": BACKENDS[2]}).status == 404
    assert daemon.ask("POST", BACKENDS_PATH, {"name": "app-1", "address": BACKENDS[2]}).error["code"] == "conflict"
    assert daemon.ask("POST", BACKENDS_PATH, {"name": "x", "address": BACKENDS[0]}).error["code"] == "conflict"
    assert daemon.ask("GET", "/api/v1/services/%zz").error["code"] == "bad_request"


def test_huge_requests_are_refused(daemon):
    daemon.start()
    line = b"PATCH " + BACKEND.encode() + b" HTTP/1.1\r\nHost: x\r\n"
    huge = [(line + b"X: " + b"a" * 20000 + b"\r\n\r\n",),
            (line + b"Content-Length: 2000000\r\n\r\n",),
            (line + b"Content-Length: 2000000\r\n\r\n", b"a" * 2000000),
            (line + b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b"a" * 65536 + b"\r\n", *[
                b"10000\r\n" + b"a" * 65536 + b"\r\n"] * 20),
            (b"GET /" + b"a" * 20000 + b" HTTP/1.1\r\n\r\n",)]
    for pieces in huge:
        status, error = parse(exchange(daemon.socket, *pieces))
        assert (status, error["code"]) == (413, "too_large"), pieces[0][:80]
    assert daemon.status()["generation"] == 1


def test_what_is_no_http_is_told_so(daemon):
    daemon.start()
    for text in [b"hello\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00" * 40, b"GET  / HTTP/1.1\r\n\r\n",
                 b"GET / HTTP/9.9\r\n\r\n", b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
                 b"GET / HTTP/1.1\r\nno colon\r\n\r\n", b"\r\n" * 10 + b"\x00" * 100]:
        status, error = parse(exchange(daemon.socket, text, half_close=True))
        assert (status, error["code"]) == (400, "bad_request"), text
    status, error = parse(exchange(daemon.socket, b"GET / HT", half_close=True))
    assert (status, error["code"]) == (400, "bad_request")
    assert b"" == exchange(daemon.socket, half_close=True)


def test_half_sent_requests_time_out_in_json_and_hold_nobody_up(daemon):
    daemon.start()
    started = time.monotonic()
    peers = []
    for text in [b"GET /api", b"PATCH / HTTP/1.1\r\nContent-Length: 50\r\n\r\n{"]:
        peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        peer.settimeout(15)
        peer.connect(str(daemon.socket))
        peer.sendall(text)
        peers.append(peer)
    assert daemon.status()["generation"] == 1
    assert time.monotonic() - started < 5
    for peer in peers:
        answer = b""
        while chunk := peer.recv(65536):
            answer += chunk
        peer.close()
        status, error = parse(answer)
        assert (status, error["code"]) == (408, "timeout")
    assert 8 < time.monotonic() - started < 14


def test_one_connection_takes_many_requests_also_sent_at_once(daemon):
    daemon.start()
    one = b"GET /api/v1/version HTTP/1.1\r\nHost: x\r\n\r\n"
    last = b"HEAD /api/v1/version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answer = exchange(daemon.socket, one * 5 + last)
    assert answer.count(b"HTTP/1.1 200 OK") == 6
    assert answer.count(b'"engine_version"') == 5
    assert answer.endswith(b"\r\n\r\n")


def test_connections_are_bounded_and_some_are_kept_for_those_who_may_change(daemon, tmp_path):
    daemon.start()
    holder = subprocess.Popen(
        ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", sys.executable, "-c",
         "import socket, sys\n"
         "held = []\n"
         "for _ in range(80):\n"
         "    s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); held.append(s)\n"
         "print('held', flush=True); sys.stdin.read()", str(daemon.socket)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "held\n"
        assert daemon.status()["generation"] == 1
        assert len(os.listdir(f"/proc/{daemon.host.lbd.pid}/fd")) < 100
    finally:
        holder.communicate("")


def test_clients_that_wait_and_go_away_leave_their_places(daemon):
    """Each waits a minute for workers that nobody has started."""
    daemon.start()
    for weight in range(1, 4):
        waiting = [UnixConnection(daemon.socket, 20) for _ in range(60)]
        for each in waiting:
            each.request("PATCH", f"{BACKEND}?wait=60s", json.dumps({"weight": weight}))
        wait_until("their changes are made", lambda: daemon.backend("portal/app-1")["weight"] == weight)
        for each in waiting:
            each.close()
    assert daemon.status()["generation"] >= 4
    wait_until("their descriptors are closed", lambda: len(os.listdir(f"/proc/{daemon.host.lbd.pid}/fd")) < 40)


def test_no_reader_takes_the_place_of_another_and_no_operator_that_of_root(daemon):
    daemon.start()
    hold = ("import os, socket, sys\n"
            "os.setgroups([int(g) for g in sys.argv[3].split(',') if g]); os.setgid(int(sys.argv[2])); "
            "os.setuid(int(sys.argv[2]))\n"
            "held = []\n"
            "for _ in range(80):\n"
            "    s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); held.append(s)\n"
            "print('held', flush=True); sys.stdin.read()")
    holders = []
    try:
        for uid in (60001, 60002):
            holders.append(subprocess.Popen([sys.executable, "-c", hold, str(daemon.socket), str(uid), ""],
                                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
            assert holders[-1].stdout.readline() == "held\n"
            asks = "60003" if uid == 60001 else "0"
            ask = ["setpriv", "--reuid", asks, "--clear-groups", "curl", "-sS", "--max-time", "5",
                   "--unix-socket", str(daemon.socket), "http://x/api/v1/version"]
            answer = subprocess.run(ask, capture_output=True, text=True, check=True).stdout
            assert "engine_version" in answer, answer
        assert daemon.status()["generation"] == 1
    finally:
        for each in holders:
            each.communicate("")


AS_NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]


def test_others_may_look_and_not_change(daemon):
    daemon.start()
    curl = ["curl", "-sS", "--max-time", "5", "--unix-socket", str(daemon.socket)]
    seen = subprocess.run([*AS_NOBODY, *curl, "http://x/api/v1/status"], capture_output=True, text=True, check=True)
    assert json.loads(seen.stdout)["node"] == "lb1"
    refused = subprocess.run([*AS_NOBODY, *curl, "-X", "PATCH", "-d", '{"weight": 1}', f"http://x{BACKEND}"],
                             capture_output=True, text=True, check=True)
    assert json.loads(refused.stdout)["error"]["code"] == "forbidden"
    assert daemon.backend("portal/app-1")["weight"] == 10


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE", "PUT"])
def test_the_tcp_listener_answers_questions_only(daemon, method):
    daemon.start()
    listener = "http://127.0.0.1:9480"
    done = daemon.host.run("curl", "-sS", "-X", method, "-d", "{}", f"{listener}{BACKEND}")
    assert json.loads(done.stdout)["error"]["code"] == "method_not_allowed"
    assert json.loads(daemon.host.run("curl", "-sS", f"{listener}/api/v1/status").stdout)["node"] == "lb1"


@pytest.mark.parametrize("path", ["/api/v1/backends", "/api/v1/services", "/api/v1/node", "/api/v1/statuses",
                                  "/metrics/", "/%6detrics", "//", "/api/v1/backends?/metrics"])
def test_the_tcp_listener_keeps_the_rest_to_the_unix_socket(daemon, path):
    daemon.start()
    done = daemon.host.run("curl", "-sS", "-w", "\n%{http_code}", f"http://127.0.0.1:9480{path}").stdout
    body, status = done.rsplit("\n", 1)
    assert status == "404"
    assert "the rest of the API is on the Unix socket" in json.loads(body)["error"]["message"]


def test_the_tcp_listener_has_a_page_that_says_what_is_where(daemon):
    daemon.start()
    page = daemon.host.run("curl", "-sS", "--fail", "-D", "-", "http://127.0.0.1:9480/").stdout
    head = daemon.host.run("curl", "-sS", "--fail", "-I", "http://127.0.0.1:9480/").stdout
    for answer in (page, head):
        assert "content-type: text/html" in answer.lower()
    for path in re.findall('href="([^"]+)"', page):
        daemon.host.run("curl", "-sS", "--fail", f"http://127.0.0.1:9480{path}")
    assert "/metrics" in page and "/api/v1/status" in page


def test_waiting_without_an_engine_says_so(daemon):
    daemon.start()
    answer = daemon.ask("PATCH", BACKEND + "?wait=100ms", {"weight": 3})
    assert answer.status == 202
    assert "no engine runs" in answer.json["waiting"]
    assert (answer.json["backend"]["weight"], answer.json["generation"]) == (3, 2), "the change stands, and is told"
    assert daemon.backend("portal/app-1")["weight"] == 3


def test_each_change_is_journalled_with_who_why_before_and_after(daemon):
    daemon.start()
    daemon.patch("portal/app-1", admin="drain", reason="kernel upgrade")
    line = [line for line in daemon.log().splitlines() if "event=backend-changed" in line][-1]
    for part in ['by="root (uid 0)"', 'reason="kernel upgrade"', 'before="admin ready, weight 10"',
                 'after="admin drain, weight 10"', "backend=portal/app-1"]:
        assert part in line
