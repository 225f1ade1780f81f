"""udp_echo.py NAME PORT ADDRESS...: answers each datagram with "NAME payload", from the address it came to."""

import selectors
import socket
import sys

IPV6_FREEBIND = 78  # linux/in6.h; IP_FREEBIND is 15
SO_RCVBUFFORCE = 33  # linux/socket.h; a large datagram's pieces take a page each


def bound(address, port):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    server = socket.socket(family, socket.SOCK_DGRAM)
    if family == socket.AF_INET6:
        server.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
    else:
        server.setsockopt(socket.IPPROTO_IP, 15, 1)
    server.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 4 << 20)
    server.bind((address, port))
    return server


def main():
    name, port, addresses = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
    waiting = selectors.DefaultSelector()
    for address in addresses:
        waiting.register(bound(address, port), selectors.EVENT_READ)
    print("ready")
    while True:
        for key, _ in waiting.select():
            payload, sender = key.fileobj.recvfrom(65536)
            key.fileobj.sendto(name.encode() + b" " + payload, sender)


main()
