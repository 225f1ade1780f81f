"""The balancer that the packet table is written for: its services, frames to them, and what the oracle expects.

It speaks of configuration, not of the engine's tables.

    SERVICES, EDGE            the configuration
    frame_to(service)         a frame of a client, made by scapy; its layers apart: ether(), ip_to(), transport_to()
    expected(service, frame)  the frame that leaves, made by the oracle (tests/oracle)
"""

import dataclasses
import ipaddress

from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from oracle import flow_hash, headers

SEED = 0x0123456789ABCDEF


@dataclasses.dataclass(frozen=True)
class Backend:
    name: str
    address: str
    mac: str


@dataclasses.dataclass(frozen=True)
class Service:
    name: str
    vip: str
    port: int
    protocol: str
    forwarding: str
    backends: tuple
    icmp_echo: str = "when-up"
    unmatched: str = "drop"
    last_port: int = 0  # of a range, where `port` is the first; port 0 is any
    hash: str = "5tuple"
    source_prefix: int = None
    allow: tuple = ()
    deny: tuple = ()


@dataclasses.dataclass(frozen=True)
class Port:
    mac: str
    mtu: int
    tunnel_source_v4: str
    tunnel_source_v6: str


EDGE = Port("02:00:00:00:00:01", 1500, "10.0.0.2", "fd00::2")
VIRTUAL_MACS = ("00:00:5e:00:01:33", "00:00:5e:00:02:34")  # the port's too, of virtual routers
ROUTER_MAC = "02:00:00:00:00:fe"
# MAC addresses that are not the port's.
ELSEWHERE = {
    "another host": "02:00:00:00:00:55",
    "almost the port": "02:00:00:00:00:03",
    "another host of the same last bytes": "00:00:00:00:00:01",
    "nobody": "00:00:00:00:00:00",
    "everybody": "ff:ff:ff:ff:ff:ff",
    "an IPv4 group": "01:00:5e:00:00:01",
    "an IPv6 group": "33:33:ff:00:00:10",
    "the port's address as a group's": "03:00:00:00:00:01",
}
CLIENT, CLIENT6 = "198.51.100.7", "2001:db8:c::7"


def _one(number, v6=False):
    """One backend, so that a row needs no hash to know where it goes."""
    address = f"fd00:4::{number:x}" if v6 else f"10.0.4.{number}"
    return (Backend(f"app-{number}", address, f"02:00:00:00:04:{number:02x}"),)


SERVICES = (
    Service("portal", "203.0.113.10", 443, "tcp", "l2", _one(1)),
    Service("api", "203.0.113.11", 443, "tcp", "ipip", _one(2)),
    Service("names", "203.0.113.10", 53, "udp", "l2", _one(3)),
    Service("notify", "203.0.113.11", 514, "udp", "ipip", _one(4)),
    Service("portal6", "2001:db8::10", 443, "tcp", "l2", _one(5, v6=True)),
    Service("api6", "2001:db8::11", 443, "tcp", "ipip", _one(6, v6=True)),
    Service("names6", "2001:db8::10", 53, "udp", "l2", _one(7, v6=True)),
    Service("notify6", "2001:db8::11", 514, "udp", "ipip", _one(8, v6=True)),
    # Every tunnel between every two families that "api" and "notify" do not have already.
    *(
        Service(f"{mode}-{inner}in{outer}-{protocol}", f"203.0.113.{20 + number}" if inner == 4 else
                f"2001:db8::{20 + number}", 8000 + number, protocol, mode, _one(40 + number, v6=outer == 6))
        for number, (mode, inner, outer, protocol) in enumerate(
            (mode, inner, outer, protocol)
            for mode in ("ipip", "gre", "gue") for inner in (4, 6) for outer in (4, 6) for protocol in ("tcp", "udp")
            if mode != "ipip" or inner != outer
        )
    ),
    Service("credit", "203.0.113.12", 8443, "tcp", "ipip", _one(20) + _one(21) + _one(22)),
    Service("credit6", "2001:db8::12", 8443, "udp", "l2", _one(23, True) + _one(24, True) + _one(25, True)),
    Service("quiet", "203.0.113.13", 8080, "tcp", "l2", _one(30), "never", "reject"),
    # Every row's usual client is allowed; limit_rows.py has those that are not.
    Service("guarded", "203.0.113.14", 8081, "tcp", "l2", _one(32),
            allow=("198.51.100.0/24", "192.0.2.80/28", "2001:db8::/32"),
            deny=("198.51.100.128/25", "198.51.100.64/30", "192.0.2.0/24", "192.0.2.84/32")),
    Service("guarded-names", "203.0.113.14", 53, "udp", "gue", _one(33), deny=("198.51.100.200/32", "10.0.0.0/8")),
    Service("guarded6", "2001:db8::14", 8081, "udp", "ipip", _one(34, True),
            allow=("2001:db8:c::/48", "2001:db8:d:1::/64"),
            deny=("2001:db8:d::/48", "2001:db8:c::88/128", "2001:db8:c:1::/64")),
    Service("guarded6-any", "2001:db8::14", 8082, "tcp", "l2", _one(35, True),
            allow=("2001:db8:c::/64",), deny=("::/0",)),
    Service("quiet6", "2001:db8::13", 8080, "tcp", "l2", _one(31, True), "never", "reject"),
)
SINGLE = tuple(service for service in SERVICES if len(service.backends) == 1)


def _keyed(version):
    """Ranges of ports, any port, and clients that stay with a backend; the rows are in key_rows.py."""
    v6 = version == 6
    tag = "6" if v6 else ""

    def vip(number):
        return f"2001:db8::{number}" if v6 else f"203.0.113.{number}"

    def one(number):
        return _one(number + (10 if v6 else 0), v6)

    def three(number):
        return one(number) + one(number + 1) + one(number + 2)

    return (
        Service("range" + tag, vip(60), 8000, "tcp", "l2", one(80), last_port=8100),
        Service("range-inside" + tag, vip(60), 8050, "tcp", "ipip", one(81)),
        Service("range-behind" + tag, vip(60), 8101, "tcp", "gre", one(82), last_port=8200),
        Service("range-udp" + tag, vip(60), 8000, "udp", "gue", one(83), last_port=8100),
        Service("range-any" + tag, vip(60), 0, "tcp", "l2", one(84)),
        Service("any-udp" + tag, vip(61), 0, "udp", "gue", one(85), unmatched="reject"),
        Service("any-udp-inside" + tag, vip(61), 53, "udp", "l2", one(86)),
        Service("range-top" + tag, vip(62), 65000, "tcp", "l2", one(87), "when-up", "reject", 65535),
        Service("bound" + tag, vip(63), 443, "tcp", "gue", three(100), hash="source"),
        Service("bound-range" + tag, vip(64), 1000, "udp", "ipip", three(120), last_port=2000, hash="source",
                source_prefix=48 if v6 else 24),
        Service("bound-any" + tag, vip(65), 0, "tcp", "l2", three(140), hash="source",
                source_prefix=128 if v6 else 9),
    )


KEYED = _keyed(4) + _keyed(6)
SERVICES += KEYED
BY_NAME = {service.name: service for service in SERVICES}


def is_v6(service):
    return ipaddress.ip_address(service.vip).version == 6


def ether(**fields):
    return Ether(**{"dst": EDGE.mac, "src": ROUTER_MAC, **fields})


def ip_to(service, **fields):
    if is_v6(service):
        return IPv6(**{"src": CLIENT6, "dst": service.vip, "hlim": 57, "fl": 0x2BCDE, **fields})
    return IP(**{"src": CLIENT, "dst": service.vip, "ttl": 57, "id": 4711, "flags": "DF", **fields})


def transport_to(service, **fields):
    if service.protocol == "tcp":
        return TCP(**{"sport": 40000, "dport": service.port, "flags": "S", **fields})
    return UDP(**{"sport": 40000, "dport": service.port, **fields})


def packet_to(service, payload=b"", ip=None, transport=None):
    return ip_to(service, **(ip or {})) / transport_to(service, **(transport or {})) / Raw(payload)


def frame_to(service, payload=b"", ip=None, transport=None):
    return ether() / packet_to(service, payload, ip, transport)


def hash_of(service, frame):
    """The flow hash of a frame that is forwarded, by the oracle."""
    _, packet = headers.ip_packet(frame)
    start = 40 if is_v6(service) else 4 * (packet[0] & 0x0F)
    source = ipaddress.ip_address(packet[8:24] if is_v6(service) else packet[12:16])
    ports = (int.from_bytes(packet[at : at + 2], "big") for at in (start, start + 2))
    return hash_from(service, str(source), *ports)


def usual_hash(service, source=None, port=40000):
    """Of what ip_to() and transport_to() make."""
    return hash_from(service, source or (CLIENT6 if is_v6(service) else CLIENT), port)


def hash_from(service, source, port, destination_port=None):
    protocol = {"tcp": 6, "udp": 17}[service.protocol]
    return flow_hash.flow_hash(SEED, source, service.vip, port, destination_port or service.port, protocol)


def slot_hash(service, source, flow):
    """What chooses the slot: the flow's hash, or the client's."""
    bits = source_prefix(service)
    return flow_hash.source_hash(SEED, source, bits) if bits else flow


def source_prefix(service):
    """Bits of the client's address that choose; 0: the flow does."""
    if service.hash == "5tuple":
        return 0
    return service.source_prefix or (64 if is_v6(service) else 32)


def vip_text(service):
    """As the configuration spells it."""
    ports = f"{service.port}-{service.last_port}" if service.last_port else service.port or "any"
    return f"[{service.vip}]:{ports}" if is_v6(service) else f"{service.vip}:{ports}"


def expected(service, frame, backend=None, flow=None, prefix=None):
    """The frame that leaves, by the oracle. flow: the flow hash, where the frame does not begin with the ports.

    prefix: the port's tunnel_source_prefix."""
    backend = backend or service.backends[0]
    if service.forwarding == "l2":
        return headers.forwarded_l2(frame, backend.mac, EDGE.mac)
    source = EDGE.tunnel_source_v6 if ":" in backend.address else EDGE.tunnel_source_v4
    macs = (backend.mac, EDGE.mac)
    flow = hash_of(service, frame) if flow is None else flow
    if prefix is not None and (":" in prefix) == (":" in source):
        source = headers.source_of_flow(prefix, flow)
    return headers.forwarded_tunnel(service.forwarding, frame, macs, source, backend.address, flow)


def overhead(service):
    """Bytes that the tunnel adds."""
    if service.forwarding == "l2":
        return 0
    outer = 40 if ":" in service.backends[0].address else 20
    return outer + {"ipip": 0, "gre": 4, "gue": 8 + 4}[service.forwarding]


def header_bytes(service):
    """IP and transport header, without options."""
    return (40 if is_v6(service) else 20) + (20 if service.protocol == "tcp" else 8)
