"""asker.py DEVICE ADDRESS: waits for a host that asks the segment for ADDRESS, and prints as whom it does.

For ARP that is the sender's protocol address, for a neighbor solicitation the packet's source. Prints "ready" first.
Fails after 5 s.
"""

import socket
import sys
import time

from scapy.layers.inet6 import ICMPv6ND_NS, IPv6
from scapy.layers.l2 import ARP, Ether

ETH_P_ALL = 3
TIMEOUT_S = 5

device, wanted = sys.argv[1:]
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
wire.bind((device, ETH_P_ALL))
print("ready", flush=True)
deadline = time.monotonic() + TIMEOUT_S
while True:
    wire.settimeout(max(deadline - time.monotonic(), 0.001))
    packet = Ether(wire.recv(65536))
    if ARP in packet and packet[ARP].op == 1 and packet[ARP].pdst == wanted:
        print(packet[ARP].psrc, flush=True)
        break
    if ICMPv6ND_NS in packet and packet[ICMPv6ND_NS].tgt == wanted:
        print(packet[IPv6].src, flush=True)
        break
