"""udp_sender.py ADDRESS PORT: a datagram every 50 ms from one port, without a pause; a line for each answer or "-"."""

import socket
import sys
import time

with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
    sender.settimeout(0.2)
    sender.connect((sys.argv[1], int(sys.argv[2])))
    while True:
        try:
            sender.send(b"a line of a log")
            print(sender.recv(65536).split()[0].decode(), flush=True)
        except OSError:
            print("-", flush=True)
        time.sleep(0.05)
