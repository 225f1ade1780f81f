"""lbd alone between two backends' hosts and a second gateway; nothing checks the backends, and no engine runs."""

import json
import pathlib
import sys

import pytest
from support.host import wait_until

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

VIPS = {4: "203.0.113.10", 6: "2001:db8::10"}
HEAD = """
[node]
name = "lb1"
seed_file = "{directory}/seed"
[engine]
cpus = "0"
[[port]]
name = "edge"
interface = "eth0"
{port_keys}
[api]
listen = "127.0.0.1:9480"
[defaults.health]
type = "none"
"""


class Net:
    def __init__(self, lab):
        self.lab, self.balancer, self.router = lab, lab.balancer, lab.router

    def start(self, backends, forwarding="ipip", port_keys=""):
        """lbd with one service a family, of these (name, address)."""
        self.configure(backends, forwarding, port_keys)
        self.balancer.start_lbd()

    def configure(self, backends, forwarding="ipip", port_keys=""):
        text = HEAD.format(directory=self.balancer.directory, port_keys=port_keys)
        for family, vip in VIPS.items():
            mine = [(name, address) for name, address in backends if (":" in address) == (family == 6)]
            if mine:
                end = f"[{vip}]:80" if family == 6 else f"{vip}:80"
                text += f'[[service]]\nname = "s{family}"\nvip = "{end}"\nforwarding = "{forwarding}"\n'
                text += "".join(f'[[service.backend]]\nname = "{n}"\naddress = "{a}"\n' for n, a in mine)
        self.balancer.configure(text)

    def backend(self, name):
        return self.balancer.lbctl("-o", "json", "backend", "show", name).json()

    def mac(self, name):
        return (self.backend(name)["link"] or {}).get("mac")

    def wait_mac(self, name, mac, timeout_s=10):
        wait_until(f"{name} is reached at {mac}", lambda: self.mac(name) == mac, timeout_s)

    def source(self, family):
        """The outer source of a tunnel, as the tables in force have it."""
        vip = VIPS[family]
        client, server = ("[fd00:1::2]:5000", f"[{vip}]:80") if family == 6 else ("10.1.0.2:5000", f"{vip}:80")
        shown = self.balancer.lbctl("-o", "json", "trace", "tcp", client, server).json()
        return shown["output"]["outer"]["source"] if shown["output"] else None

    def entry(self, address):
        """The balancer's neighbor entry; {} where there is none."""
        found = json.loads(self.balancer.run("ip", "-j", "neigh", "show", address, "dev", "eth0").stdout or "[]")
        return found[0] if found else {}

    def is_managed(self, address):
        return " managed" in self.balancer.run("ip", "neigh", "show", address, "dev", "eth0").stdout

    def problems(self):
        return self.balancer.lbctl("-o", "json", "status", check=False).json()["problems"]

    def queries(self, about):
        return self.balancer.metric("fairlead_kernel_queries_total", about=about)


@pytest.fixture
def net(make_lab):
    lab = make_lab(backends=0, file_bytes=1 << 10)
    for _ in range(2):
        lab.add_backend(start=False)
    return Net(lab)
