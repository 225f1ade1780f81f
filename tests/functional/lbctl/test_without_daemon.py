"""lbctl where no lbd answers, or something that is not lbd: each way has its own words and exit code."""

import json
import os
import re
import socket
import subprocess
import threading

import pytest
from support.balancer import program

USAGE, UNREACHABLE, FAILED = 2, 3, 1


@pytest.fixture
def lbctl(build_dir, tmp_path):
    """Runs lbctl on a run directory of the test's own; color and locale of whoever runs the test stay out."""
    def run(*words, **options):
        environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
        return subprocess.run([program(build_dir, "lbctl"), "--run-dir", tmp_path, *words], capture_output=True,
                              text=True, timeout=30, check=False, env=environment, **options)
    return run


@pytest.fixture
def answer_with(tmp_path):
    """answer_with(function): something listens where lbd would; function(connection) is all that it does."""
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.bind(str(tmp_path / "lbd.sock"))
    server.listen()
    threads = []

    def start(answer):
        def serve():
            connection, _ = server.accept()
            with connection:
                answer(connection)
        threads.append(threading.Thread(target=serve))
        threads[-1].start()

    yield start
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    server.close()


def http(body, status="200 OK", length=None):
    def answer(connection):
        connection.recv(65536)
        size = len(body) if length is None else length
        connection.sendall(f"HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: {size}\r\n\r\n"
                           f"{body}".encode())
    return answer


WORDS = [["status"], ["service", "list"], ["service", "show", "web"], ["backend", "list"], ["backend", "list", "web"],
         ["backend", "show", "web/b1"], ["backend", "add", "web/b9", "--address", "10.0.0.1"],
         ["backend", "remove", "web/b1"], ["backend", "drain", "web/b1"], ["backend", "drain", "web/*"],
         ["backend", "ready", "web/b1"], ["backend", "maint", "web/b1"], ["backend", "weight", "web/b1", "3"],
         ["health", "list"], ["drops"],
         ["trace", "tcp", "10.0.0.1:1", "10.0.0.2:2"], ["reload"], ["reload", "--wait"], ["version"]]


@pytest.mark.parametrize("words", WORDS, ids=" ".join)
def test_every_command_without_a_daemon_exits_3_and_says_how_to_start_it(lbctl, tmp_path, words):
    done = lbctl(*words)
    assert done.returncode == UNREACHABLE
    assert str(tmp_path / "lbd.sock") in done.stderr
    assert "systemctl start fairlead" in done.stderr
    assert f"--run-dir {tmp_path}" in done.stderr
    assert done.stdout == "" or words == ["version"]


def test_a_socket_left_behind_by_a_killed_daemon_is_no_daemon(lbctl, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(tmp_path / "lbd.sock"))
        dead.listen()
    done = lbctl("status")
    assert done.returncode == UNREACHABLE
    assert "nobody listens on" in done.stderr


def test_check_without_a_daemon_is_unknown_in_one_line(lbctl):
    done = lbctl("status", "--check")
    assert (done.returncode, done.stdout.count("\n"), done.stderr) == (3, 1, "")
    assert done.stdout.startswith("UNKNOWN: lbd is not running")


def test_a_socket_that_may_not_be_opened_says_so(build_dir, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("needs root to become somebody else")
    locked = tmp_path / "run"
    locked.mkdir(mode=0o700)
    command = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups",
               "/proc/self/fd/3", "--run-dir", locked, "status"]
    with open(program(build_dir, "lbctl"), "rb") as executable:
        done = subprocess.run(["bash", "-c", 'exec 3<"$1"; shift; exec "$@"', "bash", executable.name, *command],
                              capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == UNREACHABLE
    assert "permission denied" in done.stderr and "group fairlead" in done.stderr


@pytest.mark.parametrize("body", ["<html>hello</html>", "", "[1]", '{"a": '])
def test_an_answer_that_is_no_json_object_is_told_apart(lbctl, answer_with, body):
    answer_with(http(body))
    done = lbctl("status")
    assert done.returncode == FAILED
    assert "is that the socket of lbd" in done.stderr


def test_something_that_is_no_http_is_told_apart(lbctl, answer_with):
    answer_with(lambda connection: (connection.recv(65536), connection.sendall(b"220 mail.example ESMTP\r\n\r\n")))
    done = lbctl("status")
    assert done.returncode == FAILED
    assert "no HTTP" in done.stderr


@pytest.mark.parametrize("words, is_uncertain", [(["status"], False), (["backend", "drain", "a/b"], True)])
def test_a_daemon_that_dies_while_it_answers(lbctl, answer_with, words, is_uncertain):
    answer_with(http('{"generation": 1', length=100))
    done = lbctl(*words)
    assert done.returncode == UNREACHABLE
    assert "went away before its answer was whole" in done.stderr
    assert ("Whether the change was made is not known" in done.stderr) == is_uncertain


def test_a_daemon_that_stays_silent_is_given_up_after_ten_seconds(lbctl, answer_with):
    answer_with(lambda connection: [None for _ in iter(lambda: connection.recv(65536), b"")])
    done = lbctl("status")
    assert done.returncode == UNREACHABLE
    assert "does not answer" in done.stderr


def test_what_is_wrong_in_the_words_exits_2_and_asks_no_daemon(lbctl):
    for words in ([], ["backend"], ["backend", "drian", "a/b"], ["backend", "drain"], ["backend", "show", "portal"],
                  ["backend", "add", "a/*", "--address", "10.0.0.1"], ["backend", "weight", "a/b", "257"],
                  ["-o", "yaml", "status"], ["backend", "drain", "a/b", "--timeout", "soon"]):
        done = lbctl(*words)
        assert (done.returncode, done.stdout) == (USAGE, ""), words
        assert done.stderr.startswith("lbctl: "), words


def test_a_file_is_checked_without_a_daemon(lbctl, tmp_path):
    wrong = tmp_path / "wrong.toml"
    wrong.write_text('[engine]\ncpus = "0"\n\n[node]\nnmae = "lb1"\nseed_file = 3\n')
    done = lbctl("config", "check", wrong)
    assert (done.returncode, done.stdout) == (FAILED, "")
    assert re.search(rf'^{wrong}:5:1: error: .*nmae.*did you mean "name"', done.stderr, re.MULTILINE)
    assert re.search(rf"^{wrong}:6:\d+: error: ", done.stderr, re.MULTILINE)
    assert "   5 | nmae = \"lb1\"" in done.stderr

    told = lbctl("-o", "json", "config", "check", wrong)
    assert told.returncode == FAILED and told.stderr == ""
    report = json.loads(told.stdout)
    assert report["ok"] is False and {error["line"] for error in report["errors"]} >= {5, 6}

    that_of_config = lbctl("--config", wrong, "config", "check")
    assert that_of_config.stderr == done.stderr, "without a file it is the one that lbd would read"
    if not os.path.exists("/etc/fairlead/fairlead.toml"):
        assert "/etc/fairlead/fairlead.toml" in lbctl("config", "check").stderr

    wrong.write_bytes(b'# caf\xe9\n[node]\nname = "caf\xe9"\n')
    not_utf8 = lbctl("-o", "json", "config", "check", wrong)
    assert not_utf8.returncode == FAILED and json.loads(not_utf8.stdout)["ok"] is False

    missing = lbctl("config", "check", tmp_path / "missing.toml")
    assert missing.returncode == FAILED and "missing.toml" in missing.stderr


def test_help_is_data_and_names_every_exit_code(lbctl):
    done = lbctl("--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "3 lbd is not reachable" in done.stdout and "6 time ran out" in done.stdout


def test_a_full_disk_under_the_output_is_a_failure(build_dir):
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run([program(build_dir, "lbctl"), "--help"], stdout=full, stderr=subprocess.PIPE,
                              text=True, timeout=30, check=False)
    assert done.returncode == FAILED
    assert "could not be written" in done.stderr
