"""Which flows stay with their backend and which leave it: half-closed ones, and those of what checks took out."""

import pathlib
import sys

import pytest
from support import api
from support.host import wait_until

HERE = pathlib.Path(__file__).resolve().parent
VIP, REPORTS, LOGS = "203.0.113.10", 9100, 5353
SERVICES = [
    ("reports", VIP, REPORTS, "tcp", "l2"),
    ("logs", VIP, LOGS, "udp", "l2"),
]
LENDING = {"services": SERVICES}
# Longer than any flow of a closed connection was once remembered.
LATE_S = 45
QUESTIONS = 8


@pytest.fixture
def report_servers(platform):
    servers = [backend.start("reports", sys.executable, "-u", HERE / "late_answers.py", "serve", backend.name, VIP,
                             REPORTS, LATE_S) for backend in platform.backends]
    for server in servers:
        wait_until("the server of reports listens", lambda: "ready" in server.log.read_text())
    yield platform
    for server in servers:
        server.stop()


def said(process):
    return process.log.read_text().split("\n")[:-1]


def test_a_late_answer_to_a_client_that_has_closed_its_side_comes_whole(report_servers):
    """Meanwhile the ring changes: what went by it would reach another server, which resets what it does not know."""
    lab = report_servers
    asking = lab.client.start("asking", sys.executable, "-u", HERE / "late_answers.py", "ask", VIP, REPORTS, QUESTIONS)
    wait_until("every question is asked", lambda: said(asking).count("asked") == QUESTIONS)
    drained = [backend.name for backend in lab.backends[1:]]
    try:
        for name in drained:
            lab.balancer.lbctl("backend", "drain", f"reports/{name}")
        assert asking.wait(LATE_S + 20) == 0
        answers = [line for line in said(asking) if line != "asked"]
        assert all(line.endswith(" whole") for line in answers) and len(answers) == QUESTIONS, answers
        assert {line.split()[0] for line in answers} & set(drained), "no answer came from a backend that the ring left"
    finally:
        for name in drained:
            lab.balancer.lbctl("backend", "ready", f"reports/{name}")


@pytest.fixture
def sender(request, platform):
    """An unceasing sender, and the backend that it has found."""
    process = platform.client.start(f"sender-{request.node.name[-20:]}", sys.executable, "-u", HERE / "udp_sender.py",
                                    VIP, LOGS)
    wait_until("the sender is answered", lambda: len(said(process)) > 10 and said(process)[-1] != "-")
    yield process, platform.backend(said(process)[-1])
    process.stop()


def test_an_unceasing_sender_leaves_a_backend_that_checks_took_out(platform, sender):
    process, holder = sender
    holder.set_healthy(False)
    try:
        wait_until("it is out", lambda: api.backends(platform.balancer)[f"logs/{holder.name}"]["effective"] == "out")
        wait_until("another one answers", lambda: said(process)[-1] not in ("-", holder.name))
        before = len(said(process))
        wait_until("it goes on", lambda: len(said(process)) > before + 20)
        assert set(said(process)[before:]) == {said(process)[before]}, "and stays there"
    finally:
        holder.set_healthy(True)
        wait_until("every backend serves", lambda: api.all_serve(platform.balancer))


def test_an_unceasing_sender_stays_with_a_backend_that_an_operator_drains(platform, sender):
    process, holder = sender
    platform.balancer.lbctl("backend", "drain", f"logs/{holder.name}")
    try:
        before = len(said(process))
        wait_until("it goes on", lambda: len(said(process)) > before + 40)
        assert set(said(process)[before:]) == {holder.name}
    finally:
        platform.balancer.lbctl("backend", "ready", f"logs/{holder.name}")


def test_a_connection_leaves_what_checks_took_out_where_the_service_says_so(report_servers):
    """Its next packet reaches a server that does not know it, and the client hears so by a reset."""
    lab = report_servers
    text = lab.balancer.config.read_text()
    code = ("import socket, sys, time\n"
            f"c = socket.create_connection(('{VIP}', {REPORTS})); print(sys.argv[0], 'connected', flush=True)\n"
            "while True:\n    c.send(b'more'); time.sleep(0.1)\n")
    try:
        for on_down in ("keep", "move"):
            lab.balancer.configure(text.replace('name = "reports"', f'name = "reports"\non_down = "{on_down}"'))
            lab.balancer.lbctl("reload", "--wait")
            client = lab.client.start(f"connection-{on_down}", sys.executable, "-u", "-c", code)
            wait_until("it is connected", lambda: "connected" in client.log.read_text())
            holder = next(b for b in lab.backends if f"{VIP}:{REPORTS}" in b.run(
                "ss", "-Htn", "state", "established", f"sport = :{REPORTS}").stdout)
            holder.set_healthy(False)
            wait_until("it is out",
                       lambda: api.backends(lab.balancer)[f"reports/{holder.name}"]["effective"] == "out")
            if on_down == "move":
                wait_until("the connection is reset", lambda: not client.is_running())
                assert "ConnectionResetError" in client.log.read_text()
            else:
                before = client.log.read_text()
                with pytest.raises(Exception, match="not within"):
                    wait_until("the connection is reset", lambda: not client.is_running(), timeout_s=2)
                assert client.log.read_text() == before
                client.stop()
            holder.set_healthy(True)
            wait_until("every backend serves", lambda: api.all_serve(lab.balancer))
    finally:
        lab.balancer.configure(text)
        lab.balancer.lbctl("reload", "--wait")
        for backend in lab.backends:
            backend.set_healthy(True)
