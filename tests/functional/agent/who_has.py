"""who_has.py DEVICE ADDRESS... CONTROL: asks the segment for each address, then for CONTROL, which somebody must have.

Prints a JSON list of those that were answered up to then: requests are answered in their order, so an address that
is missing from the list was not answered. ARP for IPv4, neighbor solicitations for IPv6. Fails after 5 s.
"""

import json
import socket
import sys
import time

from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptSrcLLAddr, IPv6, in6_getnsma, in6_getnsmac
from scapy.layers.l2 import ARP, Ether

ETH_P_ALL = 3
TIMEOUT_S = 5

device, *addresses = sys.argv[1:]
control = addresses[-1]
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
wire.bind((device, ETH_P_ALL))
own_mac = ":".join(f"{byte:02x}" for byte in wire.getsockname()[4])


def own(family):
    """This host's address on the way to the control."""
    with socket.socket(family, socket.SOCK_DGRAM) as way:
        way.connect((control, 9))
        return way.getsockname()[0]


def question(address):
    if ":" not in address:
        source = own(socket.AF_INET)
        return Ether(dst="ff:ff:ff:ff:ff:ff", src=own_mac) / ARP(pdst=address, psrc=source, hwsrc=own_mac)
    group = in6_getnsma(socket.inet_pton(socket.AF_INET6, address))
    return (Ether(dst=in6_getnsmac(group), src=own_mac)
            / IPv6(src=own(socket.AF_INET6), dst=socket.inet_ntop(socket.AF_INET6, group), hlim=255)
            / ICMPv6ND_NS(tgt=address) / ICMPv6NDOptSrcLLAddr(lladdr=own_mac))


def answered(frame):
    """The address that this frame answers for, or None."""
    packet = Ether(frame)
    if ARP in packet and packet[ARP].op == 2:
        return packet[ARP].psrc
    return packet[ICMPv6ND_NA].tgt if ICMPv6ND_NA in packet else None


for wanted in addresses:
    wire.send(bytes(question(wanted)))
seen = []
deadline = time.monotonic() + TIMEOUT_S
while control not in seen:
    wire.settimeout(max(deadline - time.monotonic(), 0.001))
    found = answered(wire.recv(65536))
    if found in addresses:
        seen.append(found)
print(json.dumps(seen))
