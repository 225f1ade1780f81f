"""days_ask.py ADDRESS PORT PROTOCOL: one new connection or datagram; exit 0 if it is answered within a second."""

import socket
import sys

address, port, protocol = sys.argv[1], int(sys.argv[2]), sys.argv[3]
family = socket.AF_INET6 if ":" in address else socket.AF_INET
with socket.socket(family, socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM) as asker:
    asker.settimeout(1)
    try:
        asker.connect((address, port))
        asker.send(b"new\n")
        sys.exit(0 if asker.recv(99).rstrip().endswith(b"new") else 1)
    except OSError:
        sys.exit(1)
