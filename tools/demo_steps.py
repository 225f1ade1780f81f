#!/usr/bin/python3 -B
"""The steps of tools/demo: each says what it does, does it with real traffic, and gives a verdict."""

import contextlib
import math
import pathlib
import signal
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "functional"))

from support.host import LabError, wait_until
from support.lab import Lab
from support.lending import HTTP_SERVICES, NOTIFICATIONS, URLS, config, start_backend_agent, things_to_try
from support.states import wait_effective, worker_packets

BUILD = ROOT / "build" / "release"
GREEN, RED, PLAIN = ("\033[32m", "\033[31m", "\033[0m") if sys.stdout.isatty() else ("", "", "")


class Unmet(Exception):
    """A step did not show what it is there to show."""


def expect(condition, words):
    if not condition:
        raise Unmet(words)


def info(text):
    print(f"      {text}", flush=True)


@contextlib.contextmanager
def step(title):
    step.number += 1
    print(f"[{step.number:2}] {title}", flush=True)
    began = time.monotonic()
    yield
    print(f"     {GREEN}ok{PLAIN}, {time.monotonic() - began:.1f} s", flush=True)


step.number = 0


def make_hosts():
    lab = Lab(backends=3, build=BUILD, file_bytes=16 << 20)
    try:
        info(f"{lab.id}: client - router - balancer and backends b1 b2 b3, each with nginx; veth, IPv4 and IPv6")
    except BaseException:
        lab.close()
        raise
    return lab


def start_agents(lab):
    for backend in lab.backends:
        start_backend_agent(lab, backend)
    shown = lab.backends[0].run("ip", "-br", "addr", "show", "dev", "lo").stdout.split()[2:]
    for vip in lab.vips:
        expect(any(word.split("/")[0] == vip for word in shown), f"{vip} is not on lo of b1: {shown}")
    info(f"b1 has on lo: {' '.join(shown)}")


def start_balancer(lab):
    lab.balancer.configure(config(lab))
    lab.balancer.start_both()
    wait_effective(lab, "serving")
    print(indent(lab.balancer.lbctl("backend", "list").out))


def indent(text):
    return "\n".join(f"      {line}" for line in text.rstrip().splitlines())


def is_spread(served, weights):
    """Each share is what its weight says, give or take the chance of so many connections (4 deviations)."""
    total = sum(served)
    shares = [weight / sum(weights) for weight in weights]
    return total > 0 and all(abs(count - total * share) < 0.01 * total + 4 * math.sqrt(total * share * (1 - share))
                             for count, share in zip(served, shares))


def show_spread(lab):
    before = worker_packets(lab)
    for name, vip, _, _, forwarding in HTTP_SERVICES:
        at_start = [b.requests(vip=vip) for b in lab.backends]
        result = lab.client.wrk(URLS[name], seconds=2, connections=8)
        expect(result.failed == 0, f"{name}: {result.failed} of {result.requests} requests failed: {result.text}")
        served = [b.requests(vip=vip) - start for b, start in zip(lab.backends, at_start)]
        shares = ", ".join(f"{b.name} {100 * n / sum(served):.1f} %" for b, n in zip(lab.backends, served))
        info(f"{name:13} {forwarding:4} {'v6' if ':' in vip else 'v4'}  {sum(served):6} requests, 0 failed: {shares}")
        expect(is_spread(served, [1, 1, 1]), f"{name}: not an even spread: {served}")
    answers = {lab.client.udp(*NOTIFICATIONS, f"hello-{i}") for i in range(12)}
    expect(None not in answers, "notifications: a datagram was not answered")
    names = " ".join(sorted({answer.split()[0] for answer in answers}))
    info(f"notifications l2   v4      12 datagrams, 12 answers from {names}")
    after = worker_packets(lab)
    info(", ".join(f"worker {w}: {after[w] - before.get(w, 0):.0f} packets" for w in sorted(after)))
    expect(len(after) == 2 and all(after[w] > before.get(w, 0) for w in after), "not both workers forwarded")


def kill_a_server(lab):
    load = lab.client.start_load(URLS["payments"], connections=4, pause_ms=2)
    load.wait_for_more(100)
    victim = lab.backends[0]
    killed_at = time.monotonic()
    victim.kill_nginx()
    wait_effective(lab, "out", "payments", victim.name)
    noticed_at = time.monotonic()
    load.wait_for_more(200)
    results = load.stop()
    failed = [r for r in results if r["error"]]
    late = [r for r in failed if r["at"] > noticed_at + 0.1]
    info(f"{victim.name}: nginx killed under load; taken out after {noticed_at - killed_at:.1f} s")
    info(f"{len(results)} requests, {len(failed)} refused while the checks had not seen it, {len(late)} after")
    expect(not late, f"requests failed after {victim.name} was out: {late[:3]}")
    victim.start_nginx()
    wait_effective(lab, "serving")
    info(f"{victim.name} is back and serving")


def drain_under_download(lab):
    url = URLS["portal"] + "slow/large"
    vip = HTTP_SERVICES[0][1]
    target = lab.client.directory / "download"
    download = lab.client.start("download", "curl", "-sS", "--fail", "--max-time", "60", "-o", target,
                                "--limit-rate", "6M", url)
    wait_until("the download has begun", lambda: target.exists() and target.stat().st_size > 0)
    holder = wait_until("one backend holds it", lambda: holding(lab, vip))
    lab.balancer.lbctl("backend", "drain", f"portal/{holder.name}", "--reason", "upgrade")
    info(f"the download runs on {holder.name}; portal/{holder.name} is draining")
    before = holder.requests(vip=vip)
    expect(lab.client.wrk(URLS["portal"], seconds=1, connections=4).failed == 0, "requests failed while draining")
    expect(download.is_running(), "the download ended before the drain was looked at")
    expect(holder.requests(vip=vip) == before, f"{holder.name} still got new requests")
    info("new requests go elsewhere, none failed")
    expect(download.wait(60) == 0, f"the download broke: {download.tail()}")
    expect(lab.client.run("sha256sum", target).stdout.split()[0] == lab.large_sha256, "the download is not the file")
    info(f"the download came to its end, {lab.large_bytes >> 20} MiB, every byte right")
    lab.balancer.lbctl("backend", "ready", f"portal/{holder.name}", "--wait")


def holding(lab, vip):
    """The backend with an established connection to this VIP."""
    for backend in lab.backends:
        if backend.run("ss", "-Htn", "state", "established", "src", vip).stdout.strip():
            return backend
    return None


def add_a_backend(lab):
    new = lab.add_backend()
    start_backend_agent(lab, new)
    lab.balancer.lbctl("backend", "add", f"portal/{new.name}", "--address", new.addresses[4], "--weight", 10, "--wait")
    wait_effective(lab, "serving", "portal", new.name)
    vip = HTTP_SERVICES[0][1]
    start = [b.requests(vip=vip) for b in lab.backends]
    expect(lab.client.wrk(URLS["portal"], seconds=2, connections=8).failed == 0, "requests failed")
    served = [b.requests(vip=vip) - s for b, s in zip(lab.backends, start)]
    info("portal: " + ", ".join(f"{b.name} {100 * n / sum(served):.1f} %" for b, n in zip(lab.backends, served)))
    expect(is_spread(served, [1, 1, 1, 1]), f"{new.name} has not a quarter of the requests: {served}")


def bypass(lab):
    name, vip = HTTP_SERVICES[2][:2]
    before = lab.balancer.metric("fairlead_service_received_bytes_total", service=name)
    arrived = lab.client.link("eth0")["stats64"]["rx"]["bytes"]
    expect(lab.client.sha256_of(URLS[name] + "files/large") == lab.large_sha256, "the download is not the file")
    arrived = lab.client.link("eth0")["stats64"]["rx"]["bytes"] - arrived
    through = lab.balancer.metric("fairlead_service_received_bytes_total", service=name) - before
    info(f"the client received {arrived >> 10} KiB from {vip}; the balancer saw {through / 1024:.0f} KiB, "
         "the requests and acknowledgements")
    expect(0 < through < arrived / 10, "the answers did not bypass the balancer")


def show_metrics(lab):
    text = lab.balancer.metrics_text()
    checked = lab.balancer.run("promtool", "check", "metrics", check=False, input=text)
    expect(checked.returncode == 0, f"promtool: {checked.stdout}{checked.stderr}")
    wanted = ("fairlead_service_received_packets_total", "fairlead_backend_new_flows_total", "fairlead_engine_up")
    lines = [line for line in text.splitlines() if line.startswith(wanted)]
    expect(lines, "the metrics that were looked for are not there")
    for line in lines[:10]:
        info(line)
    info(f"... {sum(1 for line in text.splitlines() if not line.startswith('#'))} series, promtool finds no fault")


STEPS = [
    ("agents: the VIPs on lo of each backend, tunnels taken from the balancer alone", start_agents),
    ("lbd and lbdp: AF_XDP, two workers on two queues of one veth", start_balancer),
    ("requests spread over the backends, l2 and ipip, IPv4 and IPv6", show_spread),
    ("one nginx is killed, the service goes on", kill_a_server),
    ("a backend is drained while a long download runs", drain_under_download),
    ("a backend is added at run time", add_a_backend),
    ("answers bypass the balancer", bypass),
    ("metrics", show_metrics),
]


def interrupted(signum, _frame):
    raise KeyboardInterrupt(signal.Signals(signum).name)


def main():
    keep = sys.argv[1:] == ["--keep"]
    for sig in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(sig, interrupted)
    began, lab, failure = time.monotonic(), None, None
    try:
        with step("hosts"):
            lab = make_hosts()
        for title, action in STEPS:
            with step(title):
                action(lab)
        if keep:
            lab.keep()
            print(things_to_try(lab))
    except (Unmet, LabError) as reason:
        failure = f"step {step.number}: {reason}"
    except KeyboardInterrupt:
        failure = "interrupted"
    if lab and not (keep and failure is None):
        if failure and failure != "interrupted":
            print(lab.logs(), file=sys.stderr)
        lab.close()
        print("hosts, programs and files of the demonstration are gone", flush=True)
    if failure:
        print(f"{RED}demo: FAILED: {failure}{PLAIN}", file=sys.stderr)
        return 130 if failure == "interrupted" else 1
    print(f"{GREEN}demo: everything was shown, {time.monotonic() - began:.0f} s{PLAIN}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
