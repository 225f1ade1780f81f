"""encapsulate.py DEVICE VIP SOURCE BACKEND: sends what comes in for the VIP to the backend, in a tunnel.

4in4 or 6in6 by the kernel's own raw sockets: a balancer of one backend in a few lines, independent of the engine.
Runs until it is ended.
"""

import socket
import sys

ETH_P_IP, ETH_P_IPV6 = 0x0800, 0x86DD

device, vip, source, backend = sys.argv[1:]
is_v6 = ":" in vip
family = socket.AF_INET6 if is_v6 else socket.AF_INET
wanted = socket.inet_pton(family, vip)
at = slice(24, 40) if is_v6 else slice(16, 20)
incoming = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_IPV6 if is_v6 else ETH_P_IP))
incoming.bind((device, ETH_P_IPV6 if is_v6 else ETH_P_IP))
tunnel = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_IPV6 if is_v6 else socket.IPPROTO_IPIP)
tunnel.bind((source, 0))
print("ready", flush=True)
while True:
    packet, origin = incoming.recvfrom(65536)
    if origin[2] == socket.PACKET_HOST and packet[at] == wanted:
        tunnel.sendto(packet, (backend, 0))
