"""The daemon dies by SIGKILL, again and again, while it publishes: no request notices."""

import http.client
import random
import threading

from outcome import stop_without_failures
from support import api
from support.host import wait_until
from support.lending import HTTP_SERVICES

KILLS = 50
SEED = 20  # of the moments; another seed is another test


class Publisher(threading.Thread):
    """Changes weights without a pause. Knows for each backend what was answered and what may have been done."""

    def __init__(self, balancer, targets):
        super().__init__(daemon=True)
        self.balancer = balancer
        self.targets = targets
        self.answered = {}     # target: the weight of the last change that was answered
        self.unanswered = {}   # target: weights asked for since, with no answer
        self.generation = 0
        self.changes = 0
        self.cut_off = 0       # changes under way when the daemon died
        self.refused = []
        self._stop_asked = threading.Event()

    def run(self):
        dice = random.Random(SEED + 1)
        while not self._stop_asked.is_set():
            target, weight = dice.choice(self.targets), dice.randint(1, 100)
            self.unanswered.setdefault(target, []).append(weight)
            service, name = target.split("/")
            try:
                status, answer = api.call(self.balancer, "PATCH", f"/api/v1/services/{service}/backends/{name}",
                                          {"weight": weight})
            except (ConnectionRefusedError, FileNotFoundError):
                self._stop_asked.wait(0.005)  # no daemon at this moment
                continue
            except (OSError, http.client.HTTPException, ValueError):
                self.cut_off += 1
                continue
            if status != 200:
                self.refused.append((status, answer))
                continue
            self.answered[target] = weight
            self.unanswered[target] = []
            if answer["generation"] < self.generation:
                self.refused.append(("generation went back", self.generation, answer))
            self.generation = answer["generation"]
            self.changes += 1

    def stop(self):
        self._stop_asked.set()
        self.join(20)
        assert not self.is_alive()


def test_fifty_kills_while_it_publishes_fail_no_request(platform, loads):
    dice = random.Random(SEED)
    balancer = platform.balancer
    first = api.backends(balancer)
    services = [service[0] for service in HTTP_SERVICES]
    targets = [key for key in first if key.split("/")[0] in services]
    balancer.lbctl("backend", "drain", "portal/b3", "--wait", "--reason", "kept over restarts")
    running = loads(connections=2, pause_ms=30)
    publisher = Publisher(balancer, targets)
    publisher.start()
    for number in range(KILLS):
        changes = publisher.changes
        wait_until("changes are published", lambda: publisher.changes > changes + 1)
        publisher._stop_asked.wait(dice.uniform(0, 0.1))
        balancer.lbd.kill()
        balancer.lbd.wait()
        balancer.start_lbd()

        # It carries on from the same state: what was answered is there, and nothing flapped.
        now = api.backends(balancer)
        assert now.keys() == first.keys(), f"kill {number}"
        assert now["portal/b3"]["admin"] == "drain"
        assert [o["reason"] for o in now["portal/b3"]["overrides"] if o["field"] == "admin"] == ["kept over restarts"]
        for key, backend in now.items():
            assert backend["index"] == first[key]["index"], f"kill {number}: {key} moved"
            expected = "draining" if key == "portal/b3" else "serving"
            assert backend["effective"] == expected, f"kill {number}: {key} is {backend['effective']}"
        answered = publisher.generation  # it goes on meanwhile
        assert api.get(balancer, "/api/v1/status")["generation"] >= answered
    publisher.stop()
    assert not publisher.refused, publisher.refused[:3]
    now = api.backends(balancer)
    for target, weight in publisher.answered.items():
        assert now[target]["weight"] in [weight, *publisher.unanswered[target]], target
    # A PATCH was under way at most kills, or this has not tested what it says.
    assert publisher.cut_off > KILLS / 4
    print(f"{publisher.changes} changes published, {publisher.cut_off} of {KILLS} kills with a change under way")
    stop_without_failures(running, at_least=200)


def test_the_engine_forwards_on_while_no_daemon_is_there(platform, loads):
    running = loads(pause_ms=10)
    platform.balancer.lbd.kill()
    platform.balancer.lbd.wait()
    for load in running.values():
        load.wait_for_more(100)
    gone = platform.balancer.lbctl("status", check=False)
    assert gone.code == 3 and "nobody listens on" in gone.err
    platform.balancer.start_lbd()
    stop_without_failures(running)
