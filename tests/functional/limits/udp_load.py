"""Datagrams to a UDP echo server at a steady rate, and how many of them are answered.

    udp_load.py SOURCE ADDRESS PORT RATE SECONDS one|many

one: all from one socket, so of one flow; many: each from a socket of its own, so of a flow of its own. Prints
{"sent", "answered", "seconds"}.
"""

import json
import selectors
import socket
import sys
import time


def open_socket(source, address, port, selector):
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.setblocking(False)
    sock.bind((source, 0))
    sock.connect((address, port))
    selector.register(sock, selectors.EVENT_READ)
    return sock


def take_answers(selector, timeout_s):
    answers = 0
    for key, _ in selector.select(timeout_s):
        try:
            while key.fileobj.recv(2048):
                answers += 1
        except OSError:
            pass
    return answers


def main(source, address, port, rate, seconds, flows):
    selector = selectors.DefaultSelector()
    only = open_socket(source, address, port, selector) if flows == "one" else None
    sent = answered = 0
    began = time.monotonic()
    while (now := time.monotonic() - began) < seconds:
        while sent < now * rate:
            sock = only or open_socket(source, address, port, selector)
            sock.send(b"are you there")
            sent += 1
        answered += take_answers(selector, 0.001)
    took = time.monotonic() - began
    while answers := take_answers(selector, 0.5):
        answered += answers
    print(json.dumps({"sent": sent, "answered": answered, "seconds": took}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), float(sys.argv[5]), sys.argv[6])
