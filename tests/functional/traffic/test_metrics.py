"""What Prometheus itself makes of the metrics."""

import json
import urllib.parse

from support import api
from support.host import wait_until
from support.lending import HTTP_SERVICES, URLS

PROMETHEUS = """
global:
  scrape_interval: 1s
scrape_configs:
  - job_name: fairlead
    static_configs:
      - targets: ["127.0.0.1:9480"]
"""


def test_promtool_finds_nothing_to_say(platform):
    for url in URLS.values():
        platform.client.get(url)
    text = platform.balancer.metrics_text()
    checked = platform.balancer.run("promtool", "check", "metrics", input=text)
    assert (checked.stdout, checked.stderr) == ("", "")
    for name in ("fairlead_build_info", "fairlead_engine_up", "fairlead_config_generation", "fairlead_service_up",
                 "fairlead_backend_new_flows_total", "fairlead_backend_active_flows", "fairlead_flow_entries",
                 "fairlead_worker_packets_total", "fairlead_port_receive_packets_total",
                 "fairlead_dropped_packets_total", "fairlead_health_checks_total"):
        assert f"\n{name}" in text, name


def test_a_real_prometheus_scrapes_it(platform):
    directory = platform.balancer.directory / "prometheus"
    directory.mkdir()
    (directory / "prometheus.yml").write_text(PROMETHEUS)
    platform.balancer.start("prometheus", "prometheus", f"--config.file={directory}/prometheus.yml",
                            f"--storage.tsdb.path={directory}/data", "--web.listen-address=127.0.0.1:9090")

    def query(expression):
        answer = platform.balancer.run(
            "curl", "-sS", "--max-time", "5",
            f"http://127.0.0.1:9090/api/v1/query?query={urllib.parse.quote(expression)}", check=False).stdout
        try:
            return json.loads(answer)["data"]["result"]
        except (ValueError, KeyError):
            return []

    wait_until("Prometheus has scraped", lambda: query("up == 1"), timeout_s=30, interval_s=0.2)
    wrk = platform.client.wrk(URLS["portal"], seconds=1)
    assert wrk.failed == 0
    flows = sum(b["new_flows"] for b in api.get(platform.balancer, "/api/v1/services/portal")["backends"])
    assert flows >= wrk.requests
    wait_until("it has the flows of this test", lambda: any(
        float(sample["value"][1]) >= flows
        for sample in query('sum(fairlead_backend_new_flows_total{service="portal"})')), timeout_s=10, interval_s=0.2)
    up = {sample["metric"]["service"]: sample["value"][1] for sample in query("fairlead_service_up")}
    assert up == {name: "1" for name in [service[0] for service in HTTP_SERVICES] + ["notifications"]}
    assert query("fairlead_engine_up")[0]["value"][1] == "1"
    # Nothing but what the names promise: no scrape was refused for a doubled or malformed series.
    assert not query("up == 0")
