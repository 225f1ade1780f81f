"""Every tunnel between every two families: a service of each, named as "gue-4in6" (a v4 VIP, backends over IPv6)."""

from support.lending import BACKEND, SERVICE, head

MODES = [(mode, inner, outer) for mode in ("gue", "gre", "ipip") for inner in (4, 6) for outer in (4, 6)]
NAMES = [f"{mode}-{inner}in{outer}" for mode, inner, outer in MODES]
MODE = dict(zip(NAMES, MODES))
VIP = {name: f"203.0.113.{30 + n}" if inner == 4 else f"2001:db8::{30 + n}"
       for n, (name, (_, inner, _)) in enumerate(MODE.items())}
OVERHEAD = {name: {4: 20, 6: 40}[outer] + {"ipip": 0, "gre": 4, "gue": 12}[mode]
            for name, (mode, _, outer) in MODE.items()}


def config(lab, ends, udp_port=None):
    """The balancer's configuration. ends: {backend's name: {4: address, 6: address}}, where its tunnels end.

    udp_port: the v4 VIPs serve UDP there too, as "gue-4in6-udp".
    """
    text = head(lab)
    for name, (mode, inner, outer) in MODE.items():
        protocols = [("tcp", 80)] + ([("udp", udp_port)] if udp_port and inner == 4 else [])
        for protocol, port in protocols:
            endpoint = f"[{VIP[name]}]:{port}" if inner == 6 else f"{VIP[name]}:{port}"
            text += SERVICE.format(name=name if protocol == "tcp" else f"{name}-udp", vip=endpoint, protocol=protocol,
                                   forwarding=mode, service_keys="")
            for backend, addresses in ends.items():
                text += BACKEND.format(name=backend, address=addresses[outer], weight=10)
    return text
