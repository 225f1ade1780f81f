#!/usr/bin/python3 -B
"""How long nothing is forwarded when the engine is killed and started again at once.

    tests/bench/restart_gap.py BUILD [BUILD...] [--restarts 50] [--idle spin|yield] [--flows 256k]

A client sends a datagram a millisecond through a real lbdp on a veth; each comes back with its number. The gap is the
time from kill -9 to the first datagram that is answered again; several builds follow one another. Prints the least,
the median, the 90th percentile and the most of each; needs root, and says nothing by its exit code about speed.
"""

import argparse
import pathlib
import signal
import statistics
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "functional"))

from support.balancer import program, start_and_wait
from support.host import wait_until
from support.lab import Lab

VIP, PORT = "203.0.113.10", 5300
CLIENT = """
import socket, sys, threading, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("", 4001)); s.connect((sys.argv[1], int(sys.argv[2])))
def hear():
    last = 0.0
    while True:
        try:
            s.recv(99)
        except OSError:
            continue
        now = time.monotonic()
        if now - last > 0.02:
            print(f"{now:.6f} {now - last:.6f}", flush=True)
        last = now
threading.Thread(target=hear, daemon=True).start()
while True:
    try:
        s.send(b"x")
    except OSError:
        pass
    time.sleep(0.001)
"""


def configuration(lab, idle, flows):
    return f"""[node]
seed_file = "{lab.balancer.directory}/seed"
[engine]
cpus = "1"
idle = "{idle}"
hugepages = "none"
flows = "{flows}"
[[port]]
name = "edge"
interface = "eth0"
[api]
listen = "127.0.0.1:9480"
[[service]]
name = "echo"
vip = "{VIP}:{PORT}"
protocol = "udp"
forwarding = "l2"
  [[service.health]]
  type = "none"
  [[service.backend]]
  name = "b1"
  address = "{lab.backends[0].addresses[4]}"
"""


def start_engine(lab, build):
    lab.balancer.lbdp = start_and_wait(lab.balancer, "lbdp",
                                       [program(build, "lbdp"), *lab.balancer.where()])


def silences(client):
    """(when it ended, how long it was) of every silence longer than 20 ms."""
    return [tuple(map(float, line.split())) for line in client.log.read_text().splitlines() if " " in line]


def restart(lab, build, client):
    known = len(silences(client))
    lab.balancer.lbdp.signal(signal.SIGKILL)
    killed = time.monotonic()
    starter = threading.Thread(target=lambda: (lab.balancer.lbdp.wait(), start_engine(lab, build)))
    starter.start()
    heard = wait_until("an answer after the restart",
                       lambda: next((end for end, _ in silences(client)[known:] if end > killed), None), 30)
    starter.join()
    return heard - killed


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("builds", nargs="+", type=pathlib.Path)
    parser.add_argument("--restarts", type=int, default=50)
    parser.add_argument("--idle", choices=("spin", "yield"), default="yield")
    parser.add_argument("--flows", default="256k")
    options = parser.parse_args()
    builds = [build.resolve() for build in options.builds]
    for build in builds:
        gaps = []
        with Lab(build=build, backends=1, file_bytes=1) as lab:
            lab.backends[0].vip_by_hand(VIP)
            lab.backends[0].start_udp_echo(PORT, [VIP])
            lab.router.run("ethtool", "-L", "balancer", "rx", "1", "tx", "1")
            lab.balancer.run("ethtool", "-L", "eth0", "rx", "1", "tx", "1")
            lab.balancer.configure(configuration(lab, options.idle, options.flows))
            lab.balancer.start_lbd()
            start_engine(lab, build)
            client = lab.client.start("probe", "/usr/bin/python3", "-u", "-c", CLIENT, VIP, str(PORT))
            wait_until("the first answer", lambda: silences(client))
            for number in range(options.restarts):
                gaps.append(restart(lab, build, client))
                if sys.stderr.isatty():
                    print(f"\r{build.name}: {number + 1} of {options.restarts}", end="", file=sys.stderr)
        gaps.sort()
        print(f"{build}: {len(gaps)} restarts, gap in ms: least {gaps[0] * 1e3:.0f}, median "
              f"{statistics.median(gaps) * 1e3:.0f}, p90 {gaps[int(len(gaps) * 0.9)] * 1e3:.0f}, "
              f"most {gaps[-1] * 1e3:.0f}", flush=True)


if __name__ == "__main__":
    main()
