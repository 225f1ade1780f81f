#!/usr/bin/python3
"""What clients notice of restarts of lbdp: new connections over many kills and starts, by the clock of each.

    restart_connections.py [--build DIRECTORY] [--restarts 50] [--away SECONDS]

A lab of network namespaces with the lending platform, a load of closing connections on each of its HTTP services;
lbdp is killed and started again, over and over, and stays away in between for some seconds if asked. Prints how many
connections failed and how many waited for longer than a second: of all, and of those that began while no engine was
ready. Needs root.
"""

import argparse
import pathlib
import sys
import time

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "tests" / "functional"))

from support import api
from support.host import LabError, wait_until
from support.lab import Lab
from support.lending import URLS, start_lending

SLOW_MS = 1000


def restarts(lab, count, away_s):
    """[(killed, ready)] by the monotonic clock."""
    gaps = []
    for _ in range(count):
        killed = time.monotonic()
        lab.balancer.lbdp.kill()
        lab.balancer.lbdp.wait()
        time.sleep(away_s)
        lab.balancer.start_lbdp()
        gaps.append((killed, time.monotonic()))
        time.sleep(1)
    return gaps


def line(what, results):
    times = sorted(r["ms"] for r in results if not r["error"])
    failed = sum(r["error"] is not None for r in results)
    slow = sum(r["ms"] > SLOW_MS for r in results)
    share = 100 * slow / len(results) if results else 0
    at = (lambda part: times[min(int(len(times) * part), len(times) - 1)]) if times else (lambda part: 0)
    return (f"{what:<28} {len(results):>8} {failed:>7} {slow:>6} {share:>7.2f} % {at(0.5):>8.1f} {at(0.99):>8.1f} "
            f"{at(1):>8.1f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=REPOSITORY / "build" / "release")
    parser.add_argument("--restarts", type=int, default=50)
    parser.add_argument("--away", type=float, default=0.0)
    arguments = parser.parse_args()
    with Lab(build=arguments.build, file_bytes=1 << 20) as lab:
        start_lending(lab)
        wait_until("every backend serves", lambda: api.all_serve(lab.balancer), timeout_s=20)
        try:
            lab.let_steering_send()
        except LabError as missing:  # a build that has no use for it
            print(missing, file=sys.stderr)
        time.sleep(3)
        loads = [lab.client.start_load(url, connections=3, pause_ms=20) for url in URLS.values()]
        gaps = restarts(lab, arguments.restarts, arguments.away)
        results = [result for load in loads for result in load.stop()]
    lengths = sorted(ready - killed for killed, ready in gaps)
    within = [r for r in results if any(killed <= r["at"] < ready for killed, ready in gaps)]
    print(f"{len(gaps)} restarts, from kill to ready {lengths[len(lengths) // 2]:.2f} s (median), "
          f"{lengths[-1]:.2f} s (most)")
    print(f"{'connections':<28} {'count':>8} {'failed':>7} {'> 1 s':>6} {'':>9} {'p50 ms':>8} {'p99 ms':>8} "
          f"{'most ms':>8}")
    print(line("all", results))
    print(line("begun without an engine", within))


if __name__ == "__main__":
    main()
