"""The lab's network: a client, a router, a balancer and backends on one edge segment.

                   10.1.0.0/24, fd00:1::/64            10.2.0.0/24, fd00:2::/64, MTU 1600
        client .2 ----------------- .1 router .1 --------+-------+-------+----- ...
                                    (VIPs: via .2)       |       |       |
                                                  balancer .2  b1 .11  b2 .12

The edge segment is a bridge in the router's namespace. Its MTU leaves room for a tunnel header around the
client's 1,500 bytes. Backends answer the client by the router, past the balancer. Nothing of this leaves
the namespaces, and close() removes all of it; it runs at the interpreter's exit too.
"""

import atexit
import hashlib
import ipaddress
import os
import pathlib
import secrets
import signal

from support import leftovers
from support.backend import Backend
from support.balancer import Balancer
from support.client import Client
from support.host import Host, LabError

EDGE_MTU = 1600
VIPS = ("203.0.113.10", "203.0.113.20", "2001:db8::10", "2001:db8::20")
FORWARDING = {"net.ipv4.ip_forward": 1, "net.ipv6.conf.all.forwarding": 1}


class Lab:
    """Use as a context manager, or call close(). Needs root."""

    def __init__(self, backends=3, vips=VIPS, build=None, ports=(80,), file_bytes=32 << 20, say=None):
        """`build` is the directory of the programs under test; without one the lab is the network alone."""
        if os.geteuid() != 0:
            raise LabError("network namespaces need root: run as root")
        self.id = secrets.token_hex(2)
        self.directory = leftovers.LABS / self.id
        self.say = say or (lambda text: None)
        self.vips = list(vips)
        self.ports = tuple(ports)
        self.build = pathlib.Path(build).resolve() if build else None
        self.backends = []
        self.directory.mkdir(parents=True)
        self._closed = False
        atexit.register(self.close)
        try:
            self._make_files(file_bytes)
            self._make_network()
            for _ in range(backends):
                self.add_backend()
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Ends every program, removes namespaces, mounts and files. Safe to call again."""
        if self._closed:
            return
        self._closed = True
        atexit.unregister(self.close)
        # A second Ctrl-C waits until nothing is left.
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
        try:
            leftovers.sweep(self.id)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)

    def keep(self):
        """From now on the lab outlives this process; `tools/lab down` removes it."""
        self._closed = True
        atexit.unregister(self.close)

    def namespace(self, name):
        return f"fl-{self.id}-{name}"

    def backend(self, name):
        return next(b for b in self.backends if b.name == name)

    def add_backend(self, start=True):
        """One more host on the edge segment, with nginx running unless start is False."""
        number = len(self.backends) + 1
        name = f"b{number}"
        addresses = {4: f"10.2.0.{10 + number}", 6: str(ipaddress.ip_address("fd00:2::10") + number)}
        host = Backend(self.namespace(name), name, self.directory / name, addresses, self.ports, self.files)
        self._join_edge(host, f"{addresses[4]}/24", f"{addresses[6]}/64")
        host.ip("route add default via 10.2.0.1", "route add default via fd00:2::1")
        self.backends.append(host)
        if start:
            host.start_nginx()
        return host

    def _make_files(self, file_bytes):
        """A large file that no compression and no lucky checksum can fake."""
        self.files = self.directory / "files"
        self.files.mkdir()
        content = os.urandom(file_bytes)
        (self.files / "large").write_bytes(content)
        self.large_bytes = file_bytes
        self.large_sha256 = hashlib.sha256(content).hexdigest()

    def _make_network(self):
        self.client = Client(self.namespace("client"), "client", self.directory / "client")
        self.router = Host(self.namespace("router"), "router", self.directory / "router")
        self.router.sysctl(FORWARDING)
        # An address of its own: else a bridge takes its ports' lowest, and a new backend may change it under the
        # hosts that have learned it, which then answer into the void until they ask again.
        self.router.ip("link add edge address 02:00:00:ed:9e:01 "
                       "type bridge forward_delay 0 stp_state 0 mcast_snooping 0",
                       f"link set edge mtu {EDGE_MTU} up",
                       "addr add 10.2.0.1/24 dev edge", "addr add fd00:2::1/64 dev edge nodad",
                       f"link add client type veth peer name eth0 netns {self.client.namespace}",
                       "link set client up",
                       "addr add 10.1.0.1/24 dev client", "addr add fd00:1::1/64 dev client nodad")
        self.client.ip("link set eth0 up", "addr add 10.1.0.2/24 dev eth0", "addr add fd00:1::2/64 dev eth0 nodad",
                       "route add default via 10.1.0.1", "route add default via fd00:1::1")
        self.client.plain_checksums("eth0")
        self.router.plain_checksums("client")
        # Many short connections from one address: every port, and no waiting for the old ones.
        self.client.sysctl({"net.ipv4.ip_local_port_range": "1024 65535", "net.ipv4.tcp_tw_reuse": 1})
        self.balancer = Balancer(self.namespace("balancer"), "balancer", self.directory / "balancer", self.build)
        self._join_edge(self.balancer, "10.2.0.2/24", "fd00:2::2/64", queues=2)
        self.balancer.ip("route add default via 10.2.0.1", "route add default via fd00:2::1")
        for vip in self.vips:
            self.router.ip(f"route add {vip}/128 via fd00:2::2" if ":" in vip else f"route add {vip}/32 via 10.2.0.2")

    def _join_edge(self, host, address4, address6, queues=1):
        """A veth pair between the bridge and the host's eth0."""
        count = f"numrxqueues {queues} numtxqueues {queues}"
        self.router.ip(f"link add {host.name} {count} mtu {EDGE_MTU} type veth "
                       f"peer name eth0 mtu {EDGE_MTU} {count} netns {host.namespace}",
                       f"link set {host.name} master edge up")
        host.ip("link set eth0 up", f"addr add {address4} dev eth0", f"addr add {address6} dev eth0 nodad")
        self.router.plain_checksums(host.name)
        host.plain_checksums("eth0")

    def let_steering_send(self):
        """From now on what the balancer's steering program sends by itself arrives, as it would at a switch: a veth
        drops it unless the other end has a program of its own. Requires a running engine, for its bpffs."""
        program = self.build / "tests" / "bpf" / "pass.bpf.o"
        if not program.exists():
            raise LabError(f"no {program}: build first, with tools/test --only build")
        pin = self.balancer.run_dir / "bpf" / "pass"
        self.router.run("bpftool", "prog", "load", program, pin, "type", "xdp")
        self.router.run("bpftool", "net", "attach", "xdpdrv", "pinned", pin, "dev", self.balancer.name)
        pin.unlink()

    def logs(self):
        """The end of every program's log, for a failure's report."""
        hosts = [self.client, self.router, self.balancer, *self.backends]
        return "\n".join(p.tail() for host in hosts for p in host.processes if p.log.exists())


def http_url(address, path="/", port=80):
    host = f"[{address}]" if ":" in address else address
    return f"http://{host}:{port}{path}" if port != 80 else f"http://{host}{path}"


