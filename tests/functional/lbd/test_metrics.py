"""/metrics: clean under promtool, and scraped by a real Prometheus."""

import json
import re

import pytest
from one_lbd import BACKENDS, UNCHECKED, service_lines
from support.host import wait_until

# What operator.md, section 5, names and exists while no engine has ever run.
WITHOUT_ENGINE = """
fairlead_build_info fairlead_engine_up fairlead_config_generation fairlead_engine_generation
fairlead_config_last_reload_successful fairlead_overrides process_start_time_seconds process_cpu_seconds_total
process_resident_memory_bytes process_open_fds fairlead_service_up fairlead_service_info
fairlead_service_received_packets_total fairlead_service_received_bytes_total fairlead_service_new_flows_total
fairlead_service_backends fairlead_service_maglev_table_hash fairlead_service_maglev_moved_entries_total
fairlead_backend_up fairlead_backend_info fairlead_backend_weight fairlead_backend_effective_weight
fairlead_backend_forwarded_packets_total fairlead_backend_forwarded_bytes_total fairlead_backend_new_flows_total
fairlead_backend_active_flows fairlead_backend_transitions_total fairlead_backend_last_change_timestamp_seconds
fairlead_backend_drain_start_timestamp_seconds fairlead_health_checks_total
fairlead_health_check_duration_seconds_bucket fairlead_health_check_duration_seconds_sum
fairlead_health_check_duration_seconds_count fairlead_health_check_lag_seconds
fairlead_service_fail_open fairlead_mass_failure_hold fairlead_mass_failure_holds_total
""".split()
WITH_ENGINE = """
fairlead_flow_entries fairlead_flow_capacity fairlead_flow_lookups_total fairlead_flow_insert_failures_total
fairlead_flow_evictions_total fairlead_flow_expirations_total fairlead_flow_state_entries fairlead_flow_quota
fairlead_flow_quota_refusals_total fairlead_flow_skipped_searches_total
fairlead_worker_busy_seconds_total fairlead_worker_packets_total
fairlead_port_receive_packets_total fairlead_port_receive_bytes_total fairlead_port_receive_missed_packets_total
fairlead_port_transmit_packets_total fairlead_port_transmit_bytes_total fairlead_dropped_packets_total
fairlead_punted_packets_total
""".split()


def names(daemon):
    return {name for name, _ in daemon.host.metrics()}


def check_by_promtool(daemon):
    text = daemon.host.metrics_text()
    done = daemon.host.run("promtool", "check", "metrics", input=text, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), text


@pytest.fixture
def busy(daemon):
    """A daemon with something in every family that needs no engine."""
    daemon.configure(service_lines("portal", [("app-1", BACKENDS[0], 10), ("app-2", BACKENDS[1], 20)]),
                     service_lines("payments", [("pay-1", BACKENDS[3], 1)], vip="203.0.113.11:8080", health=UNCHECKED))
    daemon.serve(BACKENDS[0])
    daemon.start()
    daemon.wait_health("portal/app-1", "up")
    daemon.wait_health("portal/app-2", "down")
    daemon.patch("portal/app-1", admin="drain", weight=3)
    return daemon


def test_every_family_is_there_and_promtool_finds_nothing(busy):
    check_by_promtool(busy)
    assert set(WITHOUT_ENGINE) <= names(busy)
    metric = busy.host.metric
    assert metric("fairlead_service_backends", service="portal", state="draining") == 1
    assert metric("fairlead_service_backends", service="portal", state="out") == 1
    assert metric("fairlead_service_backends", service="payments", state="serving") == 1
    assert metric("fairlead_backend_weight", backend="app-1") == 3
    assert metric("fairlead_backend_effective_weight", backend="app-1") == 0
    assert metric("fairlead_overrides", kind="admin") == metric("fairlead_overrides", kind="weight") == 1
    assert metric("fairlead_engine_up") == 0
    assert metric("fairlead_config_generation") == busy.status()["generation"]
    fingerprint = int(busy.get("/api/v1/services/payments")["fingerprint"], 16)
    assert metric("fairlead_service_maglev_table_hash", service="payments") == fingerprint != 0
    assert metric("fairlead_service_maglev_moved_entries_total", service="payments") >= 65537


def test_who_accepts_open_metrics_gets_the_same_samples_so(busy):
    def scrape(*options):
        done = busy.host.run("curl", "-sS", "--fail", "-D", "-", *options, "http://127.0.0.1:9480/metrics").stdout
        head, body = done.replace("\r", "").split("\n\n", 1)
        return head, body

    head, text = scrape()
    assert "content-type: text/plain; version=0.0.4" in head.lower() and "# EOF" not in text
    head, open_metrics = scrape("-H", "Accept: application/openmetrics-text; version=1.0.0")
    assert "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8" in head.lower()
    assert open_metrics.endswith("\n# EOF\n") and open_metrics.count("# EOF") == 1

    def samples(body):
        return {line.rsplit(" ", 1)[0] for line in body.splitlines() if not line.startswith("#")}

    assert samples(open_metrics) == samples(text)
    counters = re.findall(r"^# TYPE (\S+) counter$", open_metrics, re.MULTILINE)
    assert counters and not any(name.endswith("_total") for name in counters)
    outcomes = {label for name, labels in busy.host.metrics() if name == "fairlead_health_checks_total"
                for key, label in labels if key == "result" and ("backend", "app-2") in labels}
    assert outcomes == {"ok", "refused", "timeout", "status", "reset", "error", "discarded"}


def test_series_stay_unique_while_one_of_the_same_name_leaves(busy):
    """With an engine the one that leaves stays a while, beside the new one."""
    busy.start_engine()
    busy.remove("payments/pay-1")
    busy.add("payments/pay-1", BACKENDS[2])
    check_by_promtool(busy)


def test_the_engines_families_are_there_while_it_runs(busy):
    busy.start_engine()
    wait_until("lbd sees the engine", lambda: busy.host.metric("fairlead_engine_up") == 1)
    check_by_promtool(busy)
    assert set(WITH_ENGINE) <= names(busy)
    status = busy.status()
    assert status["engine"]["up"] is True
    assert status["engine"]["pid"] == busy.host.lbdp.pid
    assert len(status["engine"]["workers"]) == 1
    assert status["engine"]["ports"][0]["name"] == "edge"
    assert busy.host.metric("fairlead_engine_generation") == status["generation"]
    assert not any("no engine" in problem for problem in status["problems"])
    busy.host.lbdp.stop()
    wait_until("lbd sees it go", lambda: busy.host.metric("fairlead_engine_up") == 0)


def test_a_real_prometheus_scrapes_it(busy):
    directory = busy.host.directory / "prometheus"
    directory.mkdir()
    config = directory / "prometheus.yml"
    config.write_text("global: {scrape_interval: 1s, scrape_timeout: 1s}\n"
                      "scrape_configs:\n"
                      "  - job_name: fairlead\n"
                      "    static_configs: [{targets: ['127.0.0.1:9480']}]\n")
    busy.host.start("prometheus", "prometheus", f"--config.file={config}", f"--storage.tsdb.path={directory}/data",
                    "--web.listen-address=127.0.0.1:9090")

    def query(expression):
        done = busy.host.run("curl", "-sS", "--max-time", "5", "-G", "http://127.0.0.1:9090/api/v1/query",
                             "--data-urlencode", f"query={expression}", check=False)
        if done.returncode != 0 or not done.stdout.startswith("{"):
            return None
        result = json.loads(done.stdout)["data"]["result"]
        return float(result[0]["value"][1]) if result else None

    wait_until("Prometheus says that lbd is up", lambda: query('up{job="fairlead"}') == 1, timeout_s=60)
    assert query('fairlead_backend_weight{service="portal",backend="app-1"}') == 3
    assert query('fairlead_health_check_duration_seconds_bucket{le="0.0005"}') is not None
    assert query('count(fairlead_backend_up)') == 3
    assert query('scrape_samples_scraped{job="fairlead"}') > 50
    busy.kill()
    wait_until("Prometheus says that lbd is down", lambda: query('up{job="fairlead"}') == 0, timeout_s=60)
