"""Asks in ways that only an ICMP error or a reset answers, by the kernel's own sockets.

    ask.py ttl ADDRESS PORT TTL     a TCP connection whose packets may go TTL hops: "ROUTER TYPE CODE"
    ask.py udp ADDRESS PORT         a datagram: "answered", "refused" or "silent"
    ask.py tcp ADDRESS PORT         a connection: "open", "refused" or "silent"
"""

import errno
import select
import socket
import struct
import sys

IP_RECVERR, IPV6_RECVERR = 11, 25  # linux/in.h, linux/in6.h
TIMEOUT_S = 3


def hop(family, address, port, ttl):
    """Who said that the packet may not go further: struct sock_extended_err, and the sender behind it."""
    v6 = family == socket.AF_INET6
    with socket.socket(family, socket.SOCK_STREAM) as client:
        if v6:
            client.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, ttl)
            client.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)
        else:
            client.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
            client.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
        client.settimeout(TIMEOUT_S)
        try:
            client.connect((address, port))
            return "open"
        except TimeoutError:
            return "silent"
        except OSError:
            pass
        _, control, _, _ = client.recvmsg(1, 512, socket.MSG_ERRQUEUE)
        for _, _, data in control:
            _, _, kind, code = struct.unpack_from("=IBBB", data)
            sender = data[16 + 8 : 16 + 24] if v6 else data[16 + 4 : 16 + 8]
            return f"{socket.inet_ntop(family, sender)} {kind} {code}"
    return "nothing"


def connect(family, address, port):
    with socket.socket(family, socket.SOCK_STREAM) as client:
        client.settimeout(TIMEOUT_S)
        try:
            client.connect((address, port))
            return "open"
        except ConnectionRefusedError:
            return "refused"
        except TimeoutError:
            return "silent"


def datagram(family, address, port):
    with socket.socket(family, socket.SOCK_DGRAM) as client:
        client.connect((address, port))
        client.send(b"anybody there?")
        if not select.select([client], [], [], TIMEOUT_S)[0]:
            return "silent"
        try:
            client.recv(2048)
            return "answered"
        except OSError as error:
            return "refused" if error.errno == errno.ECONNREFUSED else str(error)


def main():
    what, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    if what == "ttl":
        print(hop(family, address, port, int(sys.argv[4])))
    else:
        print({"tcp": connect, "udp": datagram}[what](family, address, port))


if __name__ == "__main__":
    main()
