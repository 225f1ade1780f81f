"""udp_large.py ADDRESS PORT QUESTIONS PARALLEL SIZE... [--source ADDRESS]
             [--order kernel|reversed|shuffled]

Asks udp_echo.py with datagrams of these sizes, several at a time, each from a port of its own, and compares every
answer byte for byte. Prints {"answers": {backend: count}, "wrong": count, "lost": count, "lost_ones": [number]} as
JSON.

With --order the datagrams are cut by scapy and their pieces sent in that order; else by the kernel, which may
fragment them again on the way (Don't Fragment is clear).
"""

import argparse
import json
import random
import selectors
import socket
import time

ANSWER_TIMEOUT_S = 5
PIECE_BYTES = 1200
SO_RCVBUFFORCE = 33  # linux/socket.h
IP_MTU_DISCOVER, IP_PMTUDISC_DONT = 10, 0  # linux/in.h


class Question:
    """One datagram under way."""

    def __init__(self, options, number):
        self.number = number
        self.payload = random.Random(number).randbytes(options.sizes[number % len(options.sizes)])
        self.deadline = time.monotonic() + ANSWER_TIMEOUT_S
        self.socket = socket.socket(socket.AF_INET6 if ":" in options.address else socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 4 << 20)
        if ":" not in options.address:
            self.socket.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT)
        if options.source:
            self.socket.bind((options.source, 0))
        self.socket.connect((options.address, options.port))
        self.socket.setblocking(False)
        if options.order == "kernel":
            self.socket.send(self.payload)
        else:
            send_pieces(self.socket, self.payload, options.order, number)

    def backend_of_answer(self):
        """The name in front of the right answer, or None."""
        name, _, payload = self.socket.recv(1 << 17).partition(b" ")
        return name.decode() if payload == self.payload else None


def send_pieces(from_socket, payload, order, number):
    # Only where it is needed: scapy takes a second to load.
    from scapy.layers.inet import IP, UDP, fragment
    from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment, fragment6
    from scapy.packet import Raw
    from scapy.sendrecv import send
    (source, source_port), (address, port) = from_socket.getsockname()[:2], from_socket.getpeername()[:2]
    udp = UDP(sport=source_port, dport=port) / Raw(payload)
    if ":" in address:
        whole = IPv6(src=source, dst=address) / IPv6ExtHdrFragment(id=random.getrandbits(32)) / udp
        pieces = fragment6(whole, PIECE_BYTES + 48)
    else:
        pieces = fragment(IP(src=source, dst=address, id=random.getrandbits(16)) / udp, PIECE_BYTES)
    pieces = list(pieces)
    pieces.reverse()
    if order == "shuffled":
        random.Random(number).shuffle(pieces)
    send(pieces, verbose=False)


def ask(options):
    waiting = selectors.DefaultSelector()
    found = {"answers": {}, "wrong": 0, "lost": 0, "lost_ones": []}
    asked = 0
    while asked < options.questions or waiting.get_map():
        while asked < options.questions and len(waiting.get_map()) < options.parallel:
            question = Question(options, asked)
            waiting.register(question.socket, selectors.EVENT_READ, question)
            asked += 1
        done = [key.data for key, _ in waiting.select(0.05)]
        for question in done:
            backend = question.backend_of_answer()
            if backend:
                found["answers"][backend] = found["answers"].get(backend, 0) + 1
            else:
                found["wrong"] += 1
        late = [key.data for key in waiting.get_map().values() if key.data.deadline < time.monotonic()]
        late = [question for question in late if question not in done]
        found["lost"] += len(late)
        found["lost_ones"] += [question.number for question in late]
        for question in done + late:
            waiting.unregister(question.socket)
            question.socket.close()
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("port", type=int)
    parser.add_argument("questions", type=int)
    parser.add_argument("parallel", type=int)
    parser.add_argument("sizes", type=int, nargs="+")
    parser.add_argument("--source")
    parser.add_argument("--order", choices=("kernel", "reversed", "shuffled"), default="kernel")
    print(json.dumps(ask(parser.parse_args())))


main()
