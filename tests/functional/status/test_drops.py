"""Drops by which all of a service or a backend is lost are a problem while they rise, and no longer."""

from support.host import wait_until

VIP, PORT, NOBODY = "203.0.113.20", 7000, "10.2.0.99"
LOST = f"""
[[service]]
name = "lost"
vip = "{VIP}:{PORT}"
protocol = "udp"
  [service.health]
  type = "none"
  [[service.backend]]
  name = "nobody"
  address = "{NOBODY}"
"""


def check(platform):
    return platform.balancer.lbctl("status", "--check", check=False)


def knock(platform, count=3):
    platform.client.run("bash", "-c", f"for i in {{1..{count}}}; do echo x > /dev/udp/{VIP}/{PORT}; done")


def rising(platform):
    """The problem that these drops are, or nothing."""
    told = platform.balancer.lbctl("-o", "json", "status").json()["problems"]
    return next((problem for problem in told if "packets of lost (" in problem), None)


def test_packets_for_a_backend_that_cannot_be_reached_are_a_problem_while_they_come(platform):
    balancer = platform.balancer
    before = balancer.config.read_text()
    balancer.configure(before + LOST)
    balancer.lbctl("reload", "--wait")
    try:
        assert rising(platform) is None
        problem = wait_until("the drops are a problem", lambda: knock(platform) or rising(platform), 5, interval_s=0.2)
        assert "no_neighbor" in problem and "The MAC address of the backend" in problem
        done = check(platform)
        assert done.code in (1, 2) and "packets of lost (" in done.out, done.out
        wait_until("they are over", lambda: rising(platform) is None, 10)
    finally:
        balancer.configure(before)
        balancer.lbctl("reload", "--wait", "--force")
