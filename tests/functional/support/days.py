"""Random days of an engine under real connections: what happens to it, who notices, and whether `lbctl` said so.

Two things are wanted of every day. No held connection breaks whose backend lives; and at every moment in which nothing
new was answered for more than three seconds, `lbctl status --check` did not say OK. After each event all is well again
within some seconds, and status says that too.
"""

import json
import pathlib
import random
import signal
import subprocess
import sys
import threading
import time

from support import lending
from support.balancer import start_lbagent
from support.host import LabError, wait_until

HERE = pathlib.Path(__file__).resolve().parent
PORT = 7000
# name, VIP, protocol, forwarding
SERVICES = [("ledger", "203.0.113.10", "tcp", "l2"), ("scores", "2001:db8::20", "tcp", "ipip"),
            ("payments", "203.0.113.20", "tcp", "ipip"), ("notices", "203.0.113.10", "udp", "l2")]
QUEUES = "mtu 1600 numrxqueues 2 numtxqueues 2"
SAID_WITHIN_S = 3.0
# Between two looks at status, and between two attempts of a user.
MARGIN_S = 1.5
# A silence ends with the answer to an attempt, and those are 0.1 s apart, more where the machine is busy: what is well
# again a moment before may be said.
END_MARGIN_S = 0.5
WELL_WITHIN_S = 20.0


def configuration(lab):
    text = lending.head(lab, cpus="0-1", hugepages="none", interval="500ms", timeout="400ms")
    text = text.replace('type = "http"\npath = "/healthz"\nport = 80\n', 'type = "tcp"\nport = 80\n')
    for name, vip, protocol, forwarding in SERVICES:
        endpoint = f"[{vip}]:{PORT}" if ":" in vip else f"{vip}:{PORT}"
        text += lending.SERVICE.format(name=name, vip=endpoint, protocol=protocol, forwarding=forwarding,
                                       service_keys="")
        for backend in lab.backends:
            text += lending.BACKEND.format(name=backend.name, address=backend.addresses[6 if ":" in vip else 4],
                                           weight=10)
    return text


class Watch:
    """Asks `lbctl status --check` all the time."""

    def __init__(self, lab):
        self.lab = lab
        self.looks = []  # (began, ended, exit code, words)
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._ends.is_set():
            began = time.monotonic()
            try:
                done = self.lab.balancer.lbctl("status", "--check", check=False, timeout_s=10)
                self.looks.append((began, time.monotonic(), done.code, done.out.strip()))
            except (LabError, subprocess.TimeoutExpired) as error:  # a look that fails has not said OK
                self.looks.append((began, time.monotonic(), 3, str(error)))
            self._ends.wait(0.3)

    def stop(self):
        self._ends.set()
        self._thread.join(15)

    def last(self):
        return self.looks[-1] if self.looks else (0, 0, 3, "")


class Days:
    def __init__(self, lab, seed, say, connections=8):
        self.lab, self.say = lab, say
        self.random = random.Random(seed)
        self.seed = seed
        self.connections = connections
        self.agents = {}
        self.events = []  # (at, words)
        self.report = lab.directory / "users.jsonl"
        self.failures = []

    # ---- the day's beginning and end

    def begin(self):
        lab = self.lab
        for backend in lab.backends:
            self.start_agent(backend)
            server = backend.start("days", sys.executable, "-u", HERE / "days_server.py", backend.name, PORT)
            wait_until(f"{backend.name} serves", lambda log=server.log: "ready" in log.read_text())
            backend.start_udp_echo(PORT, [vip for _, vip, protocol, _ in SERVICES if protocol == "udp"])
        lab.balancer.run("mount", "-t", "tmpfs", "-o", "size=256m,mode=0755", "fairlead-days", lab.balancer.run_dir)
        lab.balancer.configure(configuration(lab))
        lab.balancer.start_both()
        services = [f"{name}:{protocol}:{vip}:{PORT}" for name, vip, protocol, _ in SERVICES]
        self.users = lab.client.start("users", sys.executable, "-u", HERE / "days_client.py", self.report,
                                      str(self.connections), *services)
        self.watch = Watch(lab)
        held = self.connections * sum(1 for service in SERVICES if service[2] == "tcp")
        wait_until("all connections are held", lambda: self.seen("held")[-1:] and
                   self.seen("held")[-1]["held"] == held, 30)
        self.wait_until_well("the beginning")

    def end(self):
        self.watch.stop()
        self.users.signal(signal.SIGTERM)
        self.users.wait(15)
        self.judge()

    def start_agent(self, backend):
        vips = [word for vip in self.lab.vips for word in ("--vip", vip)]
        balancers = [word for address in lending.BALANCER_ADDRESSES for word in ("--balancer", address)]
        self.agents[backend.name] = start_lbagent(backend, self.lab.build, "--interface", "eth0", *vips, *balancers)

    # ---- what is noticed

    def seen(self, key):
        if not self.report.exists():
            return []
        text = self.report.read_text()
        lines = (json.loads(line) for line in text[:text.rfind("\n") + 1].splitlines())
        return [line for line in lines if key in line]

    def wait_until_well(self, after):
        """Every service answers new connections, and status says OK."""
        began = time.monotonic()
        ask = [self.lab.client.enter([sys.executable, HERE / "days_ask.py", f"{vip}", str(PORT), protocol])
               for _, vip, protocol, _ in SERVICES]

        def is_well():
            look = self.watch.last()
            return look[0] > began and look[2] == 0 and all(self._asks(command) for command in ask)
        try:
            wait_until("well", is_well, WELL_WITHIN_S, 0.2)
        except LabError:
            look = self.watch.last()
            self.failures.append(f"{WELL_WITHIN_S:.0f} s after {after}: status --check {look[2]}: {look[3]}; answered: "
                                 f"{[name for (name, *_), command in zip(SERVICES, ask) if self._asks(command)]}")
            self.say(self.failures[-1])
        return time.monotonic() - began

    @staticmethod
    def _asks(command):
        done = subprocess.run([str(word) for word in command], check=False, capture_output=True, timeout=10)
        return done.returncode == 0

    def judge(self):
        for broken in self.seen("broken"):
            self.failures.append(f"a connection of {broken['broken']} broke after {self._before(broken['at'])}: "
                                 f"{broken['why']}")
        for silence in self.seen("silent"):
            begin, end = silence["from"], silence["to"]
            unsaid = [look for look in self.watch.looks if look[0] > begin + SAID_WITHIN_S + MARGIN_S
                      and look[1] < end - END_MARGIN_S and look[2] == 0]
            if unsaid:
                asked, answered, _, words = unsaid[0]
                self.failures.append(f"{silence['silent']} was silent for {end - begin:.2f} s after "
                                     f"{self._before(begin + 0.5)}, and from {asked - begin:.2f} to "
                                     f"{answered - begin:.2f} s status --check said {words!r}")

    def _before(self, at):
        words = [text for when, text in self.events if when <= at]
        return words[-1] if words else "nothing"

    def summary(self):
        silences = self.seen("silent")
        last = self.seen("held")[-1]
        longest = max((s["to"] - s["from"] for s in silences), default=0.0)
        return (f"seed {self.seed}: {len(self.events)} events; {last['held']} connections held to the end, "
                f"{len(self.seen('broken'))} broken; {last['answers']} of {last['tried']} attempts answered; "
                f"{len(silences)} silences of more than a second, the longest {longest:.1f} s; "
                f"{len(self.watch.looks)} looks at status, {sum(1 for look in self.watch.looks if look[2])} not OK; "
                f"{len(self.failures)} failures")

    # ---- what happens

    def live(self, seconds):
        """Events until the time is over; each is undone before the next."""
        end = time.monotonic() + seconds
        kinds = [getattr(self, name) for name in sorted(dir(self)) if name.startswith("event_")]
        order = []
        while time.monotonic() < end:
            if not order:  # all kinds, in another order each time
                order = self.random.sample(kinds, len(kinds))
            kind = order.pop()
            name = kind.__name__.removeprefix("event_").replace("_", " ")
            self.events.append((time.monotonic(), name))
            began = time.monotonic()
            kind()
            took = time.monotonic() - began
            well = self.wait_until_well(name)
            self.say(f"{name}: {took:.1f} s, well again {well:.1f} s later")

    def hold(self, least=0.2, most=6.0):
        time.sleep(self.random.uniform(least, most))

    def event_engine_killed(self):
        self.lab.balancer.lbdp.kill()
        self.lab.balancer.lbdp.wait()
        self.hold(0, 5)
        self.lab.balancer.start_lbdp()

    def event_engine_restarted(self):
        self.lab.balancer.lbdp.stop()
        self.lab.balancer.start_lbdp()

    def event_engine_stopped(self):
        self.lab.balancer.lbdp.signal(signal.SIGSTOP)
        self.hold(1, 8)
        self.lab.balancer.lbdp.signal(signal.SIGCONT)

    def event_daemon_killed(self):
        self.lab.balancer.lbd.kill()
        self.lab.balancer.lbd.wait()
        self.hold(0, 5)
        self.lab.balancer.start_lbd()

    def event_both_killed(self):
        for process in (self.lab.balancer.lbd, self.lab.balancer.lbdp):
            process.kill()
            process.wait()
        self.hold(0, 3)
        starts = [self.lab.balancer.start_lbd, self.lab.balancer.start_lbdp]
        for start in self.random.sample(starts, 2):
            start()

    def event_interface_made_anew(self):
        near, far = self.lab.balancer.link("eth0")["address"], self.lab.router.link("balancer")["address"]
        self.lab.balancer.ip("link del eth0")
        self.hold()
        self.lab.router.ip(f"link add balancer address {far} {QUEUES} type veth "
                           f"peer name eth0 address {near} {QUEUES} netns {self.lab.balancer.namespace}",
                           "link set balancer master edge up")
        self.lab.router.plain_checksums("balancer")
        self.lab.balancer.plain_checksums("eth0")
        self._addresses()

    def _addresses(self):
        self.lab.balancer.ip("link set eth0 up", "addr replace 10.2.0.2/24 dev eth0",
                             "addr replace fd00:2::2/64 dev eth0 nodad",
                             "route replace default via 10.2.0.1", "route replace default via fd00:2::1")

    def event_carrier_lost(self):
        self.lab.router.ip("link set balancer down")
        self.hold(1, 8)
        self.lab.router.ip("link set balancer up")

    def event_interface_switched_off(self):
        self.lab.balancer.ip("link set eth0 down")
        self.hold(1, 8)
        self._addresses()

    def event_mtu_changed(self):
        self.lab.balancer.ip(f"link set eth0 mtu {self.random.choice((1400, 1500, 1700, 3000))}")
        self.hold()
        self.lab.balancer.ip("link set eth0 mtu 1600")

    def event_addresses_added(self):
        self.lab.balancer.ip("addr add fd00:2::99/64 dev eth0 nodad preferred_lft 0",
                             "addr add fd00:2::98/64 dev eth0 nodad", "addr add 10.2.0.98/24 dev eth0")
        self.hold()
        self.lab.balancer.ip("addr del fd00:2::99/64 dev eth0", "addr del fd00:2::98/64 dev eth0",
                             "addr del 10.2.0.98/24 dev eth0")

    def event_rule_added(self):
        self.lab.balancer.ip("route add 10.2.0.0/24 dev eth0 src 10.2.0.2 table 77",
                             "rule add to 10.2.0.0/24 lookup 77")
        self.hold()
        self.lab.balancer.ip("rule del to 10.2.0.0/24 lookup 77", "route flush table 77")

    def event_neighbor_wrong(self):
        backend = self.random.choice(self.lab.backends)
        self.lab.balancer.ip(f"neigh replace {backend.addresses[4]} dev eth0 lladdr 02:00:00:de:ad:01 nud stale")
        self.hold(1, 3)

    def event_run_directory_full(self):
        filler = self.lab.balancer.run_dir / "filler"
        self.lab.balancer.run("dd", "if=/dev/zero", f"of={filler}", "bs=1M", check=False)
        for weight in (3, 7, 10):
            self.lab.balancer.lbctl("backend", "weight", f"ledger/{self.lab.backends[0].name}", str(weight),
                                    check=False)
        self.hold()
        filler.unlink()
        self.lab.balancer.lbctl("backend", "weight", f"ledger/{self.lab.backends[0].name}", "10", check=False)

    def event_agent_killed(self):
        backend = self.random.choice(self.lab.backends)
        self.agents[backend.name].kill()
        self.agents[backend.name].wait()
        self.hold(0, 4)
        self.start_agent(backend)

    def event_agent_restarted(self):
        backend = self.random.choice(self.lab.backends)
        self.agents[backend.name].stop()
        self.start_agent(backend)

    def event_backend_drained(self):
        name = self.random.choice(self.lab.backends).name
        self.lab.balancer.lbctl("backend", "drain", f"ledger/{name}", f"payments/{name}", check=False)
        self.hold()
        self.lab.balancer.lbctl("backend", "ready", f"ledger/{name}", f"payments/{name}", check=False)
