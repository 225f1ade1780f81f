"""lbctl drops: what really is dropped is told with its count, its service and the sentence that says what to do."""

import re

from support import api
from support.balancer import program
from support.host import wait_until

PORTAL, API_URL = "203.0.113.10", "http://[2001:db8::10]/"


def drop(platform, reason, *service):
    """The entry of one reason, as JSON."""
    told = platform.balancer.lbctl("-o", "json", "drops", *service).json()
    return next(entry for entry in told["drops"] if entry["reason"] == reason)


def knock(platform, url):
    platform.client.run("curl", "-s", "--globoff", "--max-time", "0.3", url, check=False)


def test_a_port_without_a_service_is_counted_and_explained(platform):
    before = drop(platform, "no_service")["packets"]
    knock(platform, f"http://{PORTAL}:81/")
    wait_until("the SYN is counted", lambda: drop(platform, "no_service")["packets"] > before)
    entry = drop(platform, "no_service")
    assert (entry["where"], entry["services"], entry["ports"]) == ("engine", {}, {})
    page = platform.balancer.lbctl("drops").out
    assert re.search(rf"^no_service +{entry['packets']} +engine +-$", page, re.MULTILINE), page
    assert re.search(r"^no_service +No service listens on this port of the VIP\. .*lbctl service list", page,
                     re.MULTILINE), page
    assert "bad_header_length" not in page
    assert re.search(r"^bad_header_length +0 +engine +-$", platform.balancer.lbctl("drops", "--all").out, re.MULTILINE)


def test_a_service_without_backends_has_its_own_share(platform):
    lbctl = platform.balancer.lbctl
    lbctl("backend", "maint", "api/*", "--force", "--wait")
    try:
        knock(platform, API_URL)
        wait_until("the SYN is counted", lambda: drop(platform, "no_backend", "api")["packets"] > 0)
    finally:
        lbctl("backend", "ready", "api/*", "--wait")
    entry = drop(platform, "no_backend")
    assert entry["services"] == {"api": entry["packets"]}
    assert re.search(rf"^no_backend +{entry['packets']} +engine +api {entry['packets']}$", lbctl("drops", "api").out,
                     re.MULTILINE)
    assert lbctl("drops", "portal").out == "Nothing was dropped.\n"
    metric = platform.balancer.metric("fairlead_service_dropped_packets_total", service="api", reason="no_backend")
    assert metric == entry["packets"]


def test_without_an_engine_the_steering_program_counts_and_lbctl_says_whose_counts_these_are(platform):
    before = drop(platform, "no_socket")["packets"]
    assert platform.balancer.lbdp.stop() == 0
    try:
        knock(platform, f"http://{PORTAL}:81/")  # what it could decide by itself it would forward
        assert "No engine runs" in platform.balancer.lbctl("drops").err
    finally:
        platform.balancer.start_lbdp()
    wait_until("the port has told it", lambda: drop(platform, "no_socket")["packets"] > before)
    entry = drop(platform, "no_socket")
    assert (entry["where"], entry["ports"]) == ("port", {"edge": entry["packets"]})
    done = platform.balancer.lbctl("drops")
    assert re.search(r"^no_socket +A packet for a VIP arrived while no engine polled", done.out, re.MULTILINE)
    assert done.err == ""


def test_watch_tells_what_is_dropping_now(platform):
    before = drop(platform, "no_service")["packets"]
    watching = platform.balancer.start("watch", program(platform.balancer.build, "lbctl"), "--run-dir",
                                       platform.balancer.run_dir, "drops", "--watch")
    line = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ no_service (\d+)/s, (\d+) in all$", re.MULTILINE)
    try:
        knock(platform, f"http://{PORTAL}:81/")
        wait_until("a line tells it", lambda: line.search(watching.log.read_text()))
    finally:
        watching.stop()
    assert int(line.search(watching.log.read_text())[2]) > before


def test_every_reason_is_listed_by_the_api_with_a_sentence(platform):
    entries = api.get(platform.balancer, "/api/v1/drops")["drops"]
    assert len({entry["reason"] for entry in entries}) == len(entries) > 20
    assert all(len(entry["sentence"]) > 20 and entry["sentence"].endswith(".") for entry in entries)
