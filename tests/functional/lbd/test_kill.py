"""SIGKILL at any moment of constant change: the next lbd goes on from what was answered."""

import http.client
import random
import threading

import pytest
from one_lbd import BACKENDS, UNCHECKED, service_lines
from support.host import wait_until


class Changer(threading.Thread):
    """Changes one backend's weight without pause, and notes what was asked and what was answered."""

    def __init__(self, daemon):
        super().__init__()
        self.daemon_under_test = daemon
        self.is_over = threading.Event()
        self.asked = self.answered = None
        self.generation = 0
        self.changes = 0

    def run(self):
        weight = 1
        while not self.is_over.is_set():
            weight = weight % 256 + 1
            self.asked = weight
            try:
                answer = self.daemon_under_test.ask(
                    "PATCH", "/api/v1/services/portal/backends/app-1", {"weight": weight}, timeout_s=2)
            except (OSError, http.client.HTTPException):
                return  # the daemon was killed
            if answer.status == 200:
                self.answered = weight
                self.generation = answer.json["generation"]
                self.changes += 1


def changed_in_the_engine(daemon):
    """A change that every worker forwards by. The predecessor may have been a worker's pause ahead of the engine: no
    slot is free then (503, "try again") until it has followed."""
    answers = []

    def is_done():
        answers.append(daemon.ask("PATCH", "/api/v1/services/portal/backends/app-1?wait=10s", {"weight": 200}))
        assert answers[-1].status in (200, 503), answers[-1].json
        return answers[-1].status == 200

    wait_until("every worker follows the new daemon", is_done)
    return answers[-1]


@pytest.mark.parametrize("with_engine", [False, True], ids=["alone", "with-engine"])
def test_each_daemon_carries_on_from_the_same_state(daemon, with_engine):
    daemon.configure(service_lines("portal", [("app-1", BACKENDS[0], 10), ("app-2", BACKENDS[1], 20)],
                                   health=UNCHECKED))
    daemon.start()
    if with_engine:
        daemon.start_engine()
    daemon.patch("portal/app-2", admin="drain", reason="for good")
    daemon.add("portal/app-3", BACKENDS[2], weight=9)
    indexes = {name: daemon.backend(f"portal/{name}")["index"] for name in daemon.names()}
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    pauses = random.Random(seed)
    generation = changes = 0
    for _ in range(25):
        before = daemon.backend("portal/app-1")["weight"]
        changer = Changer(daemon)
        changer.start()
        changer.is_over.wait(pauses.uniform(0.01, 0.15))
        daemon.kill()
        changer.is_over.set()
        changer.join()
        daemon.start()
        status = daemon.status()
        assert status["generation"] >= max(generation, changer.generation), "a generation never goes back"
        generation = status["generation"]
        changes += changer.changes
        # What was answered holds; what was only asked may.
        assert daemon.backend("portal/app-1")["weight"] in (changer.asked, changer.answered or before)
        two, three = daemon.backend("portal/app-2"), daemon.backend("portal/app-3")
        assert (two["admin"], two["effective"], two["overrides"][0]["reason"]) == ("drain", "draining", "for good")
        assert (three["weight"], three["origin"], three["effective"]) == (9, "runtime", "serving")
        assert {name: daemon.backend(f"portal/{name}")["index"] for name in daemon.names()} == indexes
        assert not any("overrides.json" in problem for problem in status["problems"])
        if with_engine:
            answer = changed_in_the_engine(daemon)
            assert daemon.status()["engine"]["generation"] >= answer.json["generation"]
    assert changes > 25, "the daemon was killed between changes, not before them"
