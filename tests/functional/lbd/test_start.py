"""How lbd starts and ends, and what it says where it cannot."""

import os
import resource
import shutil
import socket
import stat
import subprocess
import sys
import time

from one_lbd import BACKENDS, service_lines
from support.balancer import program
from support.host import wait_until


def test_a_second_daemon_on_the_same_run_directory_is_refused(daemon):
    daemon.start()
    second = daemon.start_again()
    assert second.returncode == 1
    assert "another lbd runs on this run directory" in second.stderr and "--run-dir" in second.stderr
    assert daemon.status()["node"] == "lb1"
    assert daemon.socket.exists()


def test_sigterm_ends_it_in_time_and_leaves_the_tables(daemon):
    daemon.start()
    started = time.monotonic()
    assert daemon.host.lbd.stop() == 0
    assert time.monotonic() - started < 2
    assert (daemon.host.run_dir / "tables").exists()
    assert not daemon.socket.exists()


def test_sigterm_ends_it_in_time_while_requests_and_waits_are_under_way(daemon):
    daemon.start()
    with socket.socket(socket.AF_UNIX) as half, socket.socket(socket.AF_UNIX) as waiting:
        half.connect(str(daemon.socket))
        half.sendall(b"GET /api")
        waiting.connect(str(daemon.socket))
        body = b'{"weight": 4}'
        waiting.sendall(b"PATCH /api/v1/services/portal/backends/app-1?wait=5m HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s"
                        % (len(body), body))
        while daemon.backend("portal/app-1")["weight"] != 4:
            pass
        started = time.monotonic()
        assert daemon.host.lbd.stop() == 0
        assert time.monotonic() - started < 2


def test_a_stale_socket_is_replaced_and_a_file_is_not(daemon):
    daemon.start()
    daemon.kill()
    assert daemon.socket.exists()
    daemon.start()
    assert daemon.status()["node"] == "lb1"
    assert daemon.host.lbd.stop() == 0
    daemon.socket.write_text("precious")
    second = daemon.start_again()
    assert second.returncode == 1
    assert "is not a socket" in second.stderr
    assert daemon.socket.read_text() == "precious"


def test_missing_directories_are_made_and_the_socket_is_everybodys(daemon):
    shutil.rmtree(daemon.host.run_dir)
    shutil.rmtree(daemon.host.state_dir)
    daemon.start()
    assert stat.S_IMODE(daemon.host.run_dir.stat().st_mode) == 0o755
    assert stat.S_IMODE(daemon.socket.stat().st_mode) == 0o666


def test_it_may_open_as_many_files_as_the_system_allows(daemon):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        daemon.start()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert daemon.host.metric("process_max_fds") == hard


def test_directories_that_cannot_be_made_are_named_with_the_fix(daemon):
    deep = daemon.start_again(run_dir="/nonexistent/deep")
    assert deep.returncode == 1
    assert "/nonexistent/deep" in deep.stderr and "--run-dir" in deep.stderr
    a_file = daemon.start_again(state_dir=daemon.host.config)
    assert a_file.returncode == 1
    assert "is not a directory" in a_file.stderr and "--state-dir" in a_file.stderr


def test_the_seed_is_made_once_and_a_wrong_one_is_refused(daemon):
    seed = daemon.host.directory / "seed"
    daemon.start()
    text = seed.read_text()
    assert len(text.strip()) == 16 and int(text, 16) >= 0
    assert stat.S_IMODE(seed.stat().st_mode) == 0o640
    assert daemon.host.lbd.stop() == 0
    daemon.start()
    assert seed.read_text() == text
    assert daemon.host.lbd.stop() == 0
    seed.write_text("not a seed\n")
    refused = daemon.start_again()
    assert refused.returncode == 1
    assert str(seed) in refused.stderr and "16 hexadecimal digits" in refused.stderr
    assert seed.read_text() == "not a seed\n"


def test_a_broken_configuration_is_told_line_by_line(daemon):
    daemon.host.configure(daemon.head() + service_lines("portal", [("app-1", BACKENDS[0], 1000)]) + "nonsense = 1\n")
    refused = daemon.start_again()
    assert refused.returncode == 1
    assert "fairlead.toml:" in refused.stderr and "error:" in refused.stderr
    missing = daemon.start_again(config="/nonexistent.toml")
    assert missing.returncode == 1 and "/nonexistent.toml" in missing.stderr


def test_version_and_usage(daemon, build_dir):
    lbd = program(build_dir, "lbd")
    version = subprocess.run([lbd, "--version"], capture_output=True, text=True, check=True).stdout
    assert version.startswith("lbd 0.")
    assert subprocess.run([lbd, "--nonsense"], capture_output=True, check=False).returncode == 2
    daemon.start()
    assert daemon.get("/api/v1/version")["version"] == version.split()[1]
    assert os.path.samefile(f"/proc/{daemon.host.lbd.pid}/exe", lbd)


def test_a_taken_port_is_a_problem_and_no_reason_to_end(daemon):
    taken = daemon.host.start("taken", sys.executable, "-c",
                              "import socket, time\n"
                              "s = socket.socket(); s.bind(('127.0.0.1', 9480)); s.listen(); time.sleep(60)")
    wait_until("the port is taken", lambda: "127.0.0.1:9480" in daemon.host.run("ss", "-Hltn").stdout)
    daemon.start()
    assert any("[api] listen: cannot listen on 127.0.0.1:9480" in each for each in daemon.status()["problems"])
    daemon.patch("portal/app-1", weight=7)
    taken.kill()
    taken.wait()
    wait_until("it listens", lambda: "lbd" in daemon.host.run("ss", "-Hltnp").stdout, 10)
    assert not any("listen" in each for each in daemon.status()["problems"])
    assert daemon.host.metric("fairlead_backend_weight", backend="app-1") == 7
    assert daemon.log().count("event=not-listening") == 1
