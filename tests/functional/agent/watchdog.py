"""watchdog.py PROGRAM ARGUMENTS...: runs a program as a service manager would that wants a sign of life every second.

Prints each notification on a line of its own, ends the program after the third WATCHDOG=1, and prints what comes then.
Fails if a sign is late.
"""

import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile

INTERVAL_S = 1

with tempfile.TemporaryDirectory() as directory, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
    path = pathlib.Path(directory) / "notify"
    manager.bind(str(path))
    environment = dict(os.environ, NOTIFY_SOCKET=str(path), WATCHDOG_USEC=str(INTERVAL_S * 1_000_000))
    with subprocess.Popen(sys.argv[1:], env=environment) as process:
        manager.settimeout(10)
        signs = 0
        while (message := manager.recv(4096).decode()) != "STOPPING=1":
            print(message)
            manager.settimeout(INTERVAL_S)
            signs += message == "WATCHDOG=1"
            if signs == 3:
                process.send_signal(signal.SIGTERM)
        print(message)
