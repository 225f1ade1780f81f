"""Connections whose client closes its sending side at once, and whose answer comes late.

    late_answers.py serve NAME ADDRESS PORT DELAY_S    sends NAME many times over, so long after the client's FIN
    late_answers.py ask ADDRESS PORT COUNT             a line for each answer: who sent it, and whether it came whole
"""

import socket
import sys
import threading
import time

ANSWER_BYTES = 60_000


def serve(name, address, port, delay_s):
    server = socket.create_server((address, port), backlog=64)
    print("ready", flush=True)

    def answer(connection):
        while connection.recv(4096):
            pass
        time.sleep(delay_s)
        try:
            connection.sendall((name * ANSWER_BYTES).encode()[:ANSWER_BYTES])
        except OSError:
            pass  # the client's side tells
        connection.close()

    while True:
        threading.Thread(target=answer, args=(server.accept()[0],), daemon=True).start()


def say(line):
    """In one write: another thread's line never comes between it and its end."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def ask_one(address, port):
    with socket.create_connection((address, port)) as connection:
        connection.sendall(b"a report, please")
        connection.shutdown(socket.SHUT_WR)
        say("asked")
        content = b""
        try:
            while data := connection.recv(65536):
                content += data
        except OSError as error:
            say(f"broken: {error}")
            return
    say(f"{content[:2].decode()} {'whole' if len(content) == ANSWER_BYTES else 'cut'}")


def ask(address, port, count):
    threads = [threading.Thread(target=ask_one, args=(address, port)) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2], sys.argv[3], int(sys.argv[4]), float(sys.argv[5]))
    else:
        ask(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
