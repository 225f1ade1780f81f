"""The lending platform in a lab: five services over both families and both ways of forwarding.

    portal         203.0.113.10:80      tcp  l2        payments      203.0.113.20:80     tcp  ipip (4in4)
    api            [2001:db8::10]:80    tcp  l2        credit-score  [2001:db8::20]:80   tcp  ipip (6in6)
    notifications  203.0.113.10:5353    udp  l2

Every backend serves all of them.
"""

from support.balancer import program, start_lbagent
from support.lab import http_url

# name, VIP, port, protocol, forwarding
SERVICES = [
    ("portal", "203.0.113.10", 80, "tcp", "l2"),
    ("api", "2001:db8::10", 80, "tcp", "l2"),
    ("payments", "203.0.113.20", 80, "tcp", "ipip"),
    ("credit-score", "2001:db8::20", 80, "tcp", "ipip"),
    ("notifications", "203.0.113.10", 5353, "udp", "l2"),
]
HTTP_SERVICES = [service for service in SERVICES if service[3] == "tcp"]
URLS = {name: http_url(vip) for name, vip, _, _, _ in HTTP_SERVICES}
NOTIFICATIONS = ("203.0.113.10", 5353)
BALANCER_ADDRESSES = ("10.2.0.2", "fd00:2::2")

HEAD = """
[node]
name = "lb1"
seed_file = "{directory}/seed"

[engine]
cpus = "{cpus}"
hugepages = "{hugepages}"
flows = "{flows}"
idle = "yield"

[[port]]
name = "edge"
interface = "eth0"
{port_keys}

[api]
listen = "127.0.0.1:9480"

[defaults.health]
type = "http"
path = "/healthz"
port = 80
interval = "{interval}"
timeout = "{timeout}"
rise = 2
fall = 2
"""
SERVICE = """
[[service]]
name = "{name}"
vip = "{vip}"
protocol = "{protocol}"
forwarding = "{forwarding}"
{service_keys}
"""
BACKEND = """
  [[service.backend]]
  name = "{name}"
  address = "{address}"
  weight = {weight}
"""


def head(lab, cpus="0-1", hugepages="auto", interval="1s", timeout="900ms", port_keys="", flows="256k"):
    """The configuration's text up to the services; `port_keys` are lines for the port."""
    return HEAD.format(directory=lab.balancer.directory, cpus=cpus, hugepages=hugepages, interval=interval,
                       timeout=timeout, port_keys=port_keys, flows=flows)


def config(lab, services=None, backends=None, weights=None, cpus="0-1", hugepages="auto",
           interval="300ms", timeout="250ms", port_keys="", service_keys="", flows="256k"):
    """The configuration's text. `services` is a subset of SERVICES, `weights` {backend: weight}; the keys are lines
    for the port and for every service."""
    text = head(lab, cpus, hugepages, interval, timeout, port_keys, flows)
    for name, vip, port, protocol, forwarding in services or SERVICES:
        endpoint = f"[{vip}]:{port}" if ":" in vip else f"{vip}:{port}"
        text += SERVICE.format(name=name, vip=endpoint, protocol=protocol, forwarding=forwarding,
                               service_keys=service_keys)
        for backend in lab.backends if backends is None else backends:
            address = backend.addresses[6 if ":" in vip else 4]
            text += BACKEND.format(name=backend.name, address=address, weight=(weights or {}).get(backend.name, 10))
    return text


def start_backend_agent(lab, backend):
    """lbagent with all VIPs, taking tunnels from the balancer alone; the UDP server of notifications."""
    vips = [word for vip in lab.vips for word in ("--vip", vip)]
    balancers = [word for address in BALANCER_ADDRESSES for word in ("--balancer", address)]
    agent = start_lbagent(backend, lab.build, "--interface", "eth0", *vips, *balancers)
    vip, port = NOTIFICATIONS
    backend.start_udp_echo(port, [vip])
    return agent


def start_lending(lab, **options):
    """Agents, daemon and engine, ready; options go to config()."""
    for backend in lab.backends:
        start_backend_agent(lab, backend)
    lab.balancer.configure(config(lab, **options))
    lab.balancer.start_both()


def things_to_try(lab):
    """Commands for a person, with this lab's names in them."""
    client = f"nsenter --net=/run/netns/{lab.namespace('client')}"
    balancer = f"nsenter --net=/run/netns/{lab.namespace('balancer')}"
    lines = [f"Lab {lab.id} is up; its files are in {lab.directory}."]
    if lab.balancer.lbd:
        lbctl = f"{program(lab.build, 'lbctl')} --run-dir {lab.balancer.run_dir}"
        lines += [f"  lbctl='{lbctl}'",
                  "  $lbctl status",
                  "  $lbctl backend list",
                  "  $lbctl backend drain portal/b1 --wait; $lbctl backend ready portal/b1",
                  f"  {balancer} curl -s http://127.0.0.1:9480/metrics"]
        lines += [f"  {client} curl -s '{url}'        # {name}" for name, url in URLS.items()]
        lines += [f"  {client} wrk -c 16 -d 5s -H 'Connection: close' {URLS['portal']}"]
    else:
        lines += [f"  {client} curl -s {http_url(b.addresses[4])}" for b in lab.backends]
    lines += ["  tools/lab status; tools/lab down"]
    return "\n".join(lines)
