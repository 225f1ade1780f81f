"""days_client.py REPORT CONNECTIONS NAME:PROTOCOL:ADDRESS:PORT...: users who notice everything.

Of each TCP service CONNECTIONS connections are held and say a line a fifth of a second; each has to get it back, from
the server that it had first. Beside them a new connection (or a datagram) is tried ten times a second. REPORT gets a
line of JSON for each thing noticed:

    {"broken": service, "at": s, "why": text}          a held connection that was reset, closed or answered wrongly
    {"silent": service, "from": s, "to": s}            nothing new was answered for more than a second
    {"held": n, "answers": n, "tried": n, "at": s}     every second

Times are CLOCK_MONOTONIC. SIGTERM ends it; a silence that lasts until then is told too.
"""

import asyncio
import json
import signal
import socket
import sys
import time

SAY_EVERY_S, TRY_EVERY_S, TRY_FOR_S, SILENCE_S = 0.2, 0.1, 0.9, 1.0


class Users:
    def __init__(self, report):
        self.report = open(report, "a", encoding="utf-8", buffering=1)
        self.last = {}
        self.held = self.answers = self.tried = 0

    def tell(self, **what):
        self.report.write(json.dumps(what) + "\n")

    def answered(self, service):
        now = time.monotonic()
        before = self.last.get(service, now)
        if now - before > SILENCE_S:
            self.tell(silent=service, **{"from": before, "to": now})
        self.last[service] = now
        self.answers += 1


async def hold(users, service, address, port, number):
    """One connection for the whole run."""
    while True:
        try:
            reader, writer = await asyncio.wait_for(asyncio.open_connection(address, port), 5)
            break
        except OSError:
            await asyncio.sleep(0.2)  # it has not begun yet: nothing is broken
        except asyncio.TimeoutError:
            pass
    users.held += 1
    server, count = None, 0
    try:
        while True:
            line = f"{number} {count}\n".encode()
            writer.write(line)
            said = await reader.readline()
            who, _, rest = said.partition(b" ")
            if rest != line or server not in (None, who):
                users.tell(broken=service, at=time.monotonic(), why=f"said {line!r} to {server}, heard {said!r}")
                break
            server, count = who, count + 1
            await asyncio.sleep(SAY_EVERY_S)
    except OSError as error:
        users.tell(broken=service, at=time.monotonic(), why=repr(error))
    users.held -= 1


async def try_tcp(users, service, address, port):
    try:
        reader, writer = await asyncio.wait_for(asyncio.open_connection(address, port), TRY_FOR_S)
        writer.write(b"new\n")
        if (await asyncio.wait_for(reader.readline(), TRY_FOR_S)).endswith(b" new\n"):
            users.answered(service)
        writer.transport.abort()
    except (OSError, asyncio.TimeoutError):
        pass


class Datagrams(asyncio.DatagramProtocol):
    def __init__(self, users, service):
        self.users, self.service = users, service

    def datagram_received(self, data, _address):
        self.users.answered(self.service)

    def error_received(self, error):
        pass


async def try_udp(users, service, address, port):
    loop = asyncio.get_running_loop()
    try:
        transport, _ = await loop.create_datagram_endpoint(lambda: Datagrams(users, service),
                                                           remote_addr=(address, port))
        transport.sendto(b"new")
        await asyncio.sleep(TRY_FOR_S)
        transport.close()
    except OSError:
        pass


async def keep_trying(users, service, attempt, address, port):
    tasks = set()
    while True:
        users.tried += 1
        task = asyncio.create_task(attempt(users, service, address, port))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        await asyncio.sleep(TRY_EVERY_S)


async def main():
    report, connections, services = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
    users = Users(report)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    tasks = []
    for text in services:
        service, protocol, rest = text.split(":", 2)
        address, _, port = rest.rpartition(":")
        users.last[service] = time.monotonic()
        attempt = try_tcp if protocol == "tcp" else try_udp
        tasks.append(asyncio.create_task(keep_trying(users, service, attempt, address, int(port))))
        if protocol == "tcp":
            tasks += [asyncio.create_task(hold(users, service, address, int(port), n)) for n in range(connections)]
    while not ended.is_set():
        users.tell(held=users.held, answers=users.answers, tried=users.tried, at=time.monotonic())
        try:
            await asyncio.wait_for(ended.wait(), 1)
        except asyncio.TimeoutError:
            pass
    for service, before in users.last.items():
        if time.monotonic() - before > SILENCE_S:
            users.tell(silent=service, **{"from": before, "to": time.monotonic()})
    for task in tasks:
        task.cancel()


socket.setdefaulttimeout(5)
asyncio.run(main())
