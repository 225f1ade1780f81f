"""A TCP server that reads a request's head and sends what it is told, each answer in its turn.

    raw_server.py ADDRESS PORT ANSWER...      an answer has \\r, \\n for control characters
"""

import itertools
import socket
import sys

address, port, *answers = sys.argv[1:]
turns = itertools.cycle(answer.encode().decode("unicode_escape").encode("latin-1") for answer in answers)
with socket.create_server((address, int(port))) as server:
    while True:
        client, _ = server.accept()
        with client:
            try:
                request = b""
                while b"\r\n\r\n" not in request and (more := client.recv(4096)):
                    request += more
                client.sendall(next(turns))
                client.shutdown(socket.SHUT_WR)
                while client.recv(4096):
                    pass
            except ConnectionError:
                print("reset", flush=True)
