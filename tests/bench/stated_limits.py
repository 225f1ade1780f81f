#!/usr/bin/python3 -B
"""lbd at 4,096 services and 16,384 backends: memory, answers, changes; for each build, one after the other.

    tests/bench/stated_limits.py build/release [another/build ...]        root; some 90 s a build

Four servers, each a backend of every service, checked every 5 s. A figure of one build means little: compare it with
that of another build in the same run. Nothing here passes or fails; tests/functional/limits has bounds.
"""

import argparse
import pathlib
import statistics
import sys
import time

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY / "tests" / "functional"), str(REPOSITORY / "tests" / "functional" / "limits")]

import test_stated_limits as limits
from support import api
from support.host import wait_until
from support.lab import Lab

UNRELATED = {"route": "route replace blackhole 192.0.2.{}/32",
             "neighbor": "neigh replace 192.0.2.{} lladdr 02:00:00:00:99:01 dev eth0",
             "address": "addr add 192.0.3.{}/32 dev lo"}
CHANGES = 40


def anonymous_mb(lab):
    status = pathlib.Path(f"/proc/{lab.balancer.lbd.pid}/status").read_text()
    return int(status.split("RssAnon:")[1].split()[0]) // 1024


def took(what):
    began = time.monotonic()
    what()
    return time.monotonic() - began


def unrelated_change(lab, command):
    """CPU of lbd's main thread a change, and the slowest answer beside them."""
    before, slowest = limits.main_thread_seconds(lab), 0
    for number in range(CHANGES):
        lab.balancer.ip(command.format(number))
        slowest = max(slowest, took(lambda: api.get(lab.balancer, "/api/v1/version")))
        time.sleep(0.05)
    return (limits.main_thread_seconds(lab) - before) / CHANGES, slowest


def weight_change(lab, weight):
    status, answer = api.call(lab.balancer, "PATCH", "/api/v1/services/s0/backends/b1?wait=10s", {"weight": weight})
    if status != 200:
        raise SystemExit(f"a change of weight: {status} {answer}")


def restart(lab):
    lab.balancer.lbd.stop()
    lab.balancer.start_lbd()
    limits.serving(lab)


def measure(build):
    with Lab(build=build, backends=4, file_bytes=1) as lab:
        lab.router.ip(f"route add {limits.NETWORK} via 10.2.0.2")
        for backend in lab.backends:
            backend.ip(f"route add local {limits.NETWORK} dev lo")
        lab.balancer.configure(limits.config(lab))
        lab.balancer.start_both()
        wait_until("every backend serves", lambda: limits.serving(lab) == 4 * limits.SERVICES, 150, 0.5)
        time.sleep(15)  # the last rings
        print(f"anonymous memory {anonymous_mb(lab)} MB")
        for path in ("/metrics", "/api/v1/status", "/api/v1/backends", "/api/v1/services"):
            limits.fetch_ms(lab, path)
        for name, command in UNRELATED.items():
            spent, slowest = unrelated_change(lab, command)
            print(f"an unrelated {name}: {1e3 * spent:.1f} ms of CPU, slowest answer beside it {1e3 * slowest:.0f} ms")
        changes = [took(lambda weight=weight: weight_change(lab, weight)) for weight in range(3, 8)]
        print(f"a weight: {1e3 * statistics.median(changes):.0f} ms until every worker follows")
        print(f"a restart: {took(lambda: restart(lab)):.2f} s from SIGTERM to an answer")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("builds", nargs="+", type=pathlib.Path)
    for build in parser.parse_args().builds:
        print(f"{build}:", flush=True)
        measure(build.resolve())


if __name__ == "__main__":
    main()
