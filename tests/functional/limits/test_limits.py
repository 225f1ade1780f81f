"""What keeps clients away: lists, packets a second, new flows a second; each comes and goes by a reload."""

import json
import pathlib
import sys
import time

import pytest
from support.host import wait_until
from support.lab import http_url
from support.lending import config

WEB, WEB6 = http_url("203.0.113.10"), http_url("2001:db8::20")
NAMES = ("203.0.113.10", 5353)
SERVICES = [
    ("web", "203.0.113.10", 80, "tcp", "l2"),
    ("web6", "2001:db8::20", 80, "tcp", "ipip"),
    ("names", *NAMES, "udp", "l2"),
]
LENDING = {"services": SERVICES}
GOOD, GOOD6, BAD, BAD6 = "10.1.0.2", "fd00:1::2", "10.1.0.3", "fd00:1::3"


@pytest.fixture(scope="module")
def lab(platform):
    platform.client.ip(f"addr add {BAD}/24 dev eth0", f"addr add {BAD6}/64 dev eth0 nodad")
    return platform


@pytest.fixture(autouse=True)
def unlimited(lab):
    yield
    reload(lab)


def reload(lab, **keys):
    """Gives every service these keys, and returns when every worker goes by them; what lbctl said."""
    lines = "\n".join(f"{key} = {value}" for key, value in keys.items())
    lab.balancer.configure(config(lab, services=SERVICES, service_keys=lines))
    return lab.balancer.lbctl("reload", "--wait").err


def answers(lab, url, source):
    """Whether there is an answer within two seconds."""
    return lab.client.run("curl", "-sS", "--globoff", "-o", "/dev/null", "--max-time", 2, "--interface", source, url,
                          check=False).returncode == 0


def dropped(lab, service, reason):
    return lab.balancer.metric("fairlead_service_dropped_packets_total", service=service, reason=reason)


def start_udp(lab, source, rate, seconds, flows):
    script = pathlib.Path(__file__).with_name("udp_load.py")
    name = f"udp-{len(lab.client.processes)}"
    return lab.client.start(name, sys.executable, "-B", script, source, *NAMES, rate, seconds, flows)


def outcome(process, seconds):
    assert process.wait(seconds + 30) == 0, process.tail()
    return json.loads(process.log.read_text())


def test_a_denied_client_gets_nothing_and_the_others_are_served(lab):
    assert answers(lab, WEB, BAD) and answers(lab, WEB6, BAD6)
    said = reload(lab, deny=json.dumps([BAD, BAD6]))
    assert "changed deny of service web (2 source prefixes added, 0 removed)" in said
    for url, good, bad, service in ((WEB, GOOD, BAD, "web"), (WEB6, GOOD6, BAD6, "web6")):
        assert not answers(lab, url, bad)
        assert answers(lab, url, good)
        assert dropped(lab, service, "denied_source") >= 1
    assert lab.balancer.metric("fairlead_source_prefixes") == 2, "three services share one list"
    page = lab.balancer.lbctl("service", "show", "web").out
    assert "0 allowed, 2 denied; other sources allowed" in page
    assert "denied_source" in lab.balancer.lbctl("drops", "web").out
    reload(lab)
    assert answers(lab, WEB, BAD) and answers(lab, WEB6, BAD6)


def test_only_the_allowed_are_served_and_the_longest_prefix_decides(lab):
    reload(lab, allow=json.dumps(["10.1.0.0/24", BAD6]), deny=json.dumps(["10.1.0.3/32", "10.0.0.0/8"]))
    assert answers(lab, WEB, GOOD) and not answers(lab, WEB, BAD)
    assert answers(lab, WEB6, BAD6) and not answers(lab, WEB6, GOOD6)


def test_trace_names_the_prefix_that_decided(lab):
    reload(lab, allow=json.dumps(["10.1.0.0/24"]), deny=json.dumps([BAD]))

    def trace(source, destination):
        return lab.balancer.lbctl("trace", "tcp", f"{source}:40000", f"{destination}:80").out

    assert "denied: by 10.1.0.3/32 in `deny`" in trace(BAD, "203.0.113.10")
    assert "dropped: denied_source" in trace(BAD, "203.0.113.10")
    assert "allowed: by 10.1.0.0/24 in `allow`" in trace(GOOD, "203.0.113.10")
    assert "dropped: denied_source" in trace("192.0.2.1", "203.0.113.10")
    other = lab.balancer.lbctl("-o", "json", "trace", "tcp", f"[{GOOD6}]:40000", "[2001:db8::20]:80").json()
    assert other["source"] == {"denied": True, "list": None, "prefix": None}


def test_a_client_that_is_denied_in_the_middle_of_a_download_gets_no_further(lab):
    def start(source):
        path = lab.client.directory / f"download-{source}"
        process = lab.client.start(f"download-{source}", "curl", "-sS", "--fail", "--max-time", 15, "--interface",
                                   source, "-o", path, f"{WEB}/slow/large")
        wait_until("the download has begun", lambda: path.exists() and path.stat().st_size > 0)
        return process, path

    (good, good_path), (bad, bad_path) = start(GOOD), start(BAD)
    reload(lab, deny=json.dumps([f"{BAD}/32"]))
    assert good.wait(20) == 0 and good_path.stat().st_size == lab.large_bytes
    assert bad.wait(20) == 28 and bad_path.stat().st_size < lab.large_bytes
    assert dropped(lab, "web", "denied_source") >= 1


def test_the_packet_limit_holds_and_other_services_are_served(lab):
    rate, seconds = 400, 5
    reload(lab, limits='{ packets = "400/s" }')
    assert lab.balancer.metric("fairlead_service_limit", service="names", limit="packets") == rate
    load = start_udp(lab, GOOD, 4 * rate, seconds, "one")
    assert all(answers(lab, WEB, GOOD) for _ in range(5)), "its own service's limit is far away"
    found = outcome(load, seconds)
    assert found["sent"] > 2 * rate * found["seconds"], found
    assert found["answered"] == pytest.approx(rate * found["seconds"], rel=0.2), found
    assert dropped(lab, "names", "over_packet_limit") >= (found["sent"] - found["answered"]) * 0.8
    reload(lab)
    free = outcome(start_udp(lab, GOOD, 1000, 2, "one"), 2)
    assert free["answered"] > 0.9 * free["sent"], free


def test_new_flows_are_limited_for_the_source_that_begins_too_many(lab):
    rate, seconds = 20, 5
    def new_flows():
        return lab.balancer.metric("fairlead_service_new_flows_total", service="names")

    before = new_flows()
    old = start_udp(lab, BAD, 50, seconds + 3, "one")
    wait_until("the old flow is tracked", lambda: new_flows() > before)
    reload(lab, limits='{ new_flows_per_source = "20/s" }')
    flood = start_udp(lab, BAD, 10 * rate, seconds, "many")
    other = start_udp(lab, GOOD, rate / 2, seconds, "many")
    found, unharmed, established = outcome(flood, seconds), outcome(other, seconds), outcome(old, seconds)
    assert found["answered"] == pytest.approx(rate * (found["seconds"] + 1), rel=0.2), found
    assert unharmed["answered"] == unharmed["sent"], unharmed
    assert established["answered"] >= 0.98 * established["sent"], established
    assert dropped(lab, "names", "over_source_limit") >= (found["sent"] - found["answered"]) * 0.9


def test_a_hundred_thousand_prefixes_come_into_force_within_seconds(lab):
    prefixes = [f"{10 + number // 25600}.{100 + number // 256 % 100}.{number % 256}.0/24" for number in range(50000)]
    prefixes += [f"2001:{number:x}::/32" for number in range(0x1000, 0x1000 + 49998)] + [BAD, BAD6]
    assert len(set(prefixes)) == 100000

    def timed_reload(listed):
        began = time.monotonic()
        said = reload(lab, deny=json.dumps(listed))
        return time.monotonic() - began, said

    first, _ = timed_reload(prefixes)
    again, said = timed_reload(list(reversed(prefixes)))
    print(f"100,000 prefixes in {first:.2f} s, the same again in {again:.2f} s")
    assert first < 10 and again < 10
    assert "changed" not in said, "the same list in another order"
    assert lab.balancer.metric("fairlead_source_prefixes") == 100000
    assert lab.balancer.metric("fairlead_source_prefix_capacity") >= 100000
    assert answers(lab, WEB, GOOD) and not answers(lab, WEB, BAD)
    assert answers(lab, WEB6, GOOD6) and not answers(lab, WEB6, BAD6)


def test_a_wrong_list_is_refused_with_the_right_one_proposed(lab):
    lab.balancer.configure(config(lab, services=SERVICES, service_keys='deny = ["10.1.0.3/24"]'))
    refused = lab.balancer.lbctl("reload", check=False)
    assert refused.code == 1
    assert 'write "10.1.0.0/24", or "10.1.0.3" for that address alone' in refused.err
    assert answers(lab, WEB, BAD)
