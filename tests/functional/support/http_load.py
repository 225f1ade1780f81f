"""http_load.py URL CONNECTIONS PAUSE_MS REPORT: GETs over and over, each on a connection of its own.

Writes one JSON line a request to REPORT: when it began (CLOCK_MONOTONIC), how long it took, which backend
answered, or what went wrong. SIGTERM ends it after the requests under way.
"""

import asyncio
import json
import signal
import sys
import time
import urllib.parse

TIMEOUT_S = 10


async def request(host, port, path):
    """The first line of the body. Raises what went wrong."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        answer = await reader.read(-1)
    finally:
        writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200 "):
        raise ValueError(f"not a 200: {head[:60]!r}")
    return body.decode().strip()


async def one_user(target, pause_s, stop, report):
    while not stop.is_set():
        began = time.monotonic()
        backend, error = None, None
        try:
            backend = await asyncio.wait_for(request(*target), TIMEOUT_S)
        except (OSError, ValueError, asyncio.TimeoutError) as problem:
            error = f"{type(problem).__name__}: {problem}"
        record = {"at": began, "ms": round((time.monotonic() - began) * 1000, 2), "backend": backend, "error": error}
        report.write(json.dumps(record) + "\n")
        report.flush()
        if pause_s:
            await asyncio.sleep(pause_s)


async def main(url, connections, pause_ms, report_path):
    parts = urllib.parse.urlsplit(url)
    target = (parts.hostname, parts.port or 80, parts.path or "/")
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    with open(report_path, "w", encoding="utf-8") as report:
        users = [one_user(target, int(pause_ms) / 1000, stop, report) for _ in range(int(connections))]
        await asyncio.gather(*users)


asyncio.run(main(*sys.argv[1:]))
