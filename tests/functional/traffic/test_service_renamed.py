"""A service gets another name in the file, as its VIP, port and servers stay: for clients nothing has changed."""

from support import api
from support.host import wait_until
from support.lab import http_url
from support.lending import SERVICES, config

LAB = {"file_bytes": 12 << 20}  # 6 s at the 2 MiB/s of /slow/
VIP = "203.0.113.10"
RENAMED = [("website" if name == "portal" else name, *rest) for name, *rest in SERVICES]



def owner(platform, service):
    """The backend that has the download."""
    found = api.get(platform.balancer, f"/api/v1/services/{service}")["backends"]
    return next((each["name"] for each in found if each["active_flows"]), None)


def test_connections_drains_and_weights_go_on_under_the_new_name(platform):
    download = platform.client.start("download", "bash", "-o", "pipefail", "-c",
                                     'curl -sS --fail --max-time 60 "$0" | sha256sum', http_url(VIP, "/slow/large"))
    serves = wait_until("the download is tracked", lambda: owner(platform, "portal"))
    platform.balancer.lbctl("backend", "weight", f"portal/{serves}", "0", "--wait")
    before = api.get(platform.balancer, "/api/v1/services/portal")["backends"]
    platform.balancer.configure(config(platform, services=RENAMED))
    said = platform.balancer.lbctl("reload", "--wait").err
    assert "renamed service portal to website" in said and "removed" not in said and "added" not in said
    after = api.get(platform.balancer, "/api/v1/services/website")["backends"]
    for was, now in zip(before, after):
        assert (was["name"], was["weight"], was["effective"], was["since"]) == (
            now["name"], now["weight"], now["effective"], now["since"])
    assert owner(platform, "website") == serves
    # Also when no daemon runs as the file changes.
    assert platform.balancer.lbd.stop() == 0
    platform.balancer.configure(config(platform))
    platform.balancer.start_lbd()
    assert owner(platform, "portal") == serves
    assert api.get(platform.balancer, f"/api/v1/services/portal/backends/{serves}")["weight"] == 0
    assert download.is_running(), "too late to test anything"
    assert download.wait(60) == 0, download.tail()
    assert platform.large_sha256 in download.log.read_text()
    platform.balancer.lbctl("backend", "weight", f"portal/{serves}", "10", "--wait")
