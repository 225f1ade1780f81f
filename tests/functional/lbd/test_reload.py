"""A new file is in force whole, or nothing changes and the reasons are told."""

import pathlib
import signal

import pytest
from one_lbd import BACKENDS, UNCHECKED, service_lines
from support.host import wait_until

FILE_BACKENDS = [("app-1", BACKENDS[0], 10), ("app-2", BACKENDS[1], 20)]

TEN_MISTAKES = """
[node]
nmae = "lb1"
[engine]
cpus = "0"
flows = "many"
[[port]]
name = "edge"
vdev = "net_null0"
mac = "02:00:00:00:00"
address = ["10.9.0.1/24"]
[[service]]
name = "portal"
vip = "203.0.113.10"
protocol = "sctp"
  [[service.backend]]
  name = "app-1"
  address = "10.9.0"
  weight = 1000
  [[service.backend]]
  name = "app 2"
  address = "10.9.0.12"
  weihgt = 3
  [[service.backend]]
  name = "app-1"
  address = "10.9.0.13"
"""


def state(daemon):
    return daemon.get("/api/v1/backends"), daemon.get("/api/v1/services"), daemon.status()["generation"]


def test_a_file_with_ten_mistakes_gets_ten_messages_and_changes_nothing(daemon):
    daemon.start()
    before = state(daemon)
    daemon.host.configure(TEN_MISTAKES)
    answer = daemon.reload()
    assert (answer.status, answer.error["code"]) == (422, "invalid_config")
    errors = answer.error["errors"]
    assert len(errors) == 10, [error["message"] for error in errors]
    text = TEN_MISTAKES.splitlines()
    for error in errors:
        assert error["file"] == str(daemon.host.config)
        assert error["source_line"].strip() == text[error["line"] - 1].strip()
        assert error["column"] >= 1
    assert state(daemon) == before
    status = daemon.status()
    assert status["config"]["last_reload_ok"] is False
    assert any("last reload was refused" in problem for problem in status["problems"])
    assert daemon.host.metric("fairlead_config_last_reload_successful") == 0
    daemon.configure()
    assert daemon.reload().status == 200
    assert daemon.status()["config"]["last_reload_ok"] is True
    assert daemon.host.metric("fairlead_config_last_reload_successful") == 1


@pytest.mark.parametrize("text", ["", "   \n", "[node]\nname = \"lb", "\x00\x01\x02", "[[service]]\n" * 3],
                         ids=["empty", "blank", "half", "binary", "no-keys"])
def test_an_empty_or_half_written_file_is_refused(daemon, text):
    daemon.start()
    before = state(daemon)
    daemon.host.configure(text)
    assert daemon.reload().status == 422
    daemon.host.config.unlink()
    assert daemon.reload().status == 422
    assert state(daemon) == before


def test_every_prefix_of_a_file_is_whole_or_refused(daemon):
    """A writer that is caught half way never gets half a configuration in force."""
    daemon.start()
    before = daemon.get("/api/v1/backends")["backends"]
    text = daemon.host.config.read_text()
    for size in range(0, len(text) - 1, 37):
        pathlib.Path(daemon.host.config).write_text(text[:size])
        answer = daemon.reload()
        if answer.status == 200:  # a file that ends between two tables is a file
            assert len(daemon.names()) <= 2
            daemon.host.configure(text)
            assert daemon.reload().status == 200
        else:
            assert answer.status in (409, 422)  # a file without app-2 would take most of the weight away
            assert len(daemon.get("/api/v1/backends")["backends"]) == len(before)


def test_changes_are_summed_up_and_in_force(daemon):
    daemon.start()
    daemon.configure(service_lines("portal", [("app-1", BACKENDS[0], 3), ("app-3", BACKENDS[2], 1)], health=UNCHECKED),
                     service_lines("payments", [("pay-1", BACKENDS[3], 1)], vip="203.0.113.11:8080", health=UNCHECKED))
    refused = daemon.reload()
    assert (refused.status, refused.error["code"]) == (409, "conflict")
    assert "portal would lose 1 of the 2 backends that serve (app-2), with 20 of 30 of the weight" \
        in refused.error["message"]
    assert "?force=1" in refused.error["message"] and daemon.names() == ["app-1", "app-2"]
    answer = daemon.reload(force=True)
    assert answer.json["changed"] is True
    assert answer.json["summary"] == ["changed weight of backend portal/app-1 from 10 to 3",
                                      f"added backend portal/app-3 ({BACKENDS[2]}, weight 1)",
                                      "removed backend portal/app-2", "added service payments"]
    assert daemon.backend("portal/app-1")["effective_weight"] == 3
    wait_until("app-2 is gone", lambda: daemon.names() == ["app-1", "app-3"])
    again = daemon.reload().json
    assert (again["changed"], again["summary"]) == (False, [])


def test_sighup_reloads(daemon):
    daemon.start()
    daemon.configure(service_lines("portal", [("app-1", BACKENDS[0], 77), FILE_BACKENDS[1]], health=UNCHECKED))
    daemon.host.lbd.signal(signal.SIGHUP)
    wait_until("the new weight is in force", lambda: daemon.backend("portal/app-1")["weight"] == 77)
    daemon.host.configure("broken")
    daemon.host.lbd.signal(signal.SIGHUP)
    wait_until("the refusal is told", lambda: not daemon.status()["config"]["last_reload_ok"])
    assert daemon.backend("portal/app-1")["weight"] == 77


def test_an_engine_that_has_read_other_ports_is_told_of(daemon):
    """By the port's name, whichever of the two has it alone; the order does not matter."""
    def told():
        return [problem for problem in daemon.status()["problems"] if "port west is lbdp's alone" in problem]

    daemon.start()
    daemon.configure(head=daemon.head().replace('name = "edge"', 'name = "west"'))
    daemon.reload()
    daemon.start_engine()
    assert len(wait_until("the difference is told", told)) == 1
    daemon.kill()
    daemon.start()
    assert daemon.status()["engine"]["up"] and not told()


def test_what_needs_a_restart_is_said_and_not_applied(daemon):
    daemon.start()
    daemon.configure(head=daemon.head(cpu="0-1").replace("9480", "9481").replace('name = "edge"', 'name = "west"'))
    summary = daemon.reload().json["summary"]
    assert len(summary) == 3
    assert any("[engine]" in line and "restart lbdp" in line for line in summary)
    assert any("[[port]]" in line for line in summary)
    assert any("[api]" in line for line in summary)
    problems = daemon.status()["problems"]
    assert set(summary) <= set(problems)
    assert daemon.host.metric("fairlead_build_info") == 1, "still where it listened"
    assert daemon.backend("portal/app-1")["link"]["port"] == "edge"
    said = daemon.host.lbctl("reload").err
    assert all(line in said for line in summary if "restart lbd" in line and "restart lbdp" not in line)
    assert "[api]" in said and "Nothing else has changed" in said
    daemon.configure()
    daemon.reload()
    assert not any("[api]" in problem for problem in daemon.status()["problems"])


def test_reloads_come_and_go_without_a_trace(daemon):
    """One service whose backend is another at each reload, 100 times."""
    daemon.start()
    for turn in range(100):
        daemon.configure(service_lines("portal", [(f"app-{turn}", BACKENDS[turn % 4], 1)], health=UNCHECKED))
        assert daemon.reload(force=turn == 0).status == 200  # then 1 comes for each that goes
    wait_until("only the last is there", lambda: daemon.names() == ["app-99"])
    assert daemon.get("/api/v1/services/portal")["backends_total"] == 1
