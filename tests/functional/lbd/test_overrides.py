"""What operators change at run time stays over reload and restart, and yields to a file that changes."""

import contextlib
import json
import sqlite3

from one_lbd import BACKENDS, UNCHECKED, service_lines
from support.host import wait_until

FILE_BACKENDS = [("app-1", BACKENDS[0], 10), ("app-2", BACKENDS[1], 20)]


def rows(daemon, question):
    with contextlib.closing(sqlite3.connect(daemon.host.state_dir / "state.db")) as database:
        return database.execute(question).fetchall()


def portal(*backends):
    return service_lines("portal", list(backends), health=UNCHECKED)


def picture(daemon):
    """What an operator decided, without what passes by itself."""
    return [(each["name"], each["address"], each["weight"], each["admin"], each["origin"], each["effective"],
             each["overrides"]) for each in daemon.get("/api/v1/backends")["backends"]]


def change_everything(daemon):
    daemon.patch("portal/app-1", admin="drain", weight=5, reason="new kernel")
    daemon.add("portal/app-3", BACKENDS[2], weight=7)
    daemon.patch("portal/app-3", admin="maint")
    daemon.remove("portal/app-2")
    wait_until("app-2 is gone", lambda: daemon.names() == ["app-1", "app-3"])


def test_changes_survive_reload_sigkill_and_an_orderly_restart(daemon):
    daemon.start()
    change_everything(daemon)
    before = picture(daemon)
    generation = daemon.status()["generation"]
    assert [o["field"] for o in daemon.backend("portal/app-1")["overrides"]] == ["admin", "weight"]
    assert daemon.backend("portal/app-1")["overrides"][0]["reason"] == "new kernel"
    assert daemon.backend("portal/app-1")["overrides"][0]["by"] == "root (uid 0)"
    assert daemon.reload().status == 200
    assert picture(daemon) == before
    daemon.kill()
    daemon.start()
    assert picture(daemon) == before
    assert daemon.status()["generation"] >= generation
    assert daemon.host.lbd.stop() == 0
    daemon.start()
    assert picture(daemon) == before
    assert daemon.status()["overrides"] == 5
    assert daemon.host.metric("fairlead_overrides") == 5


def test_the_file_wins_where_it_changes_the_same_field_afterwards(daemon):
    daemon.start()
    change_everything(daemon)
    daemon.configure(portal(("app-1", BACKENDS[0], 11), ("app-2", BACKENDS[1], 21), ("app-3", BACKENDS[3], 1)))
    summary = daemon.reload().json["summary"]
    assert any("portal/app-1" in line and "takes the place of the 5" in line for line in summary)
    assert any("portal/app-2" in line and "it is back" in line for line in summary)
    assert any("portal/app-3" in line and "the file's takes the place" in line for line in summary)
    assert daemon.backend("portal/app-1")["weight"] == 11
    assert daemon.backend("portal/app-1")["admin"] == "drain", "the file says nothing of it"
    assert daemon.backend("portal/app-2")["weight"] == 21
    assert daemon.backend("portal/app-3")["address"] == BACKENDS[3]
    assert daemon.backend("portal/app-3")["origin"] == "file"


def test_an_added_backend_yields_to_the_files_of_the_same_address(daemon):
    daemon.start()
    daemon.add("portal/app-3", BACKENDS[2], weight=7)
    daemon.configure(portal(*FILE_BACKENDS, ("app-9", BACKENDS[2], 10)))
    answer = daemon.reload()
    assert answer.status == 200
    assert any("portal/app-3" in line and "as backend app-9 now" in line for line in answer.json["summary"])
    wait_until("app-3 is gone", lambda: daemon.names() == ["app-1", "app-2", "app-9"])
    assert daemon.status()["overrides"] == 0


def test_the_file_wins_as_well_if_it_changed_while_lbd_was_down(daemon):
    daemon.start()
    change_everything(daemon)
    daemon.kill()
    daemon.configure(portal(("app-1", BACKENDS[0], 11), ("app-2", BACKENDS[1], 20)))
    daemon.start()
    assert daemon.backend("portal/app-1")["weight"] == 11
    assert daemon.names() == ["app-1", "app-3"], "the file still describes app-2 as when it was removed"
    assert "event=override-dropped" in daemon.log()


def test_what_was_in_maintenance_is_so_when_it_comes_back(daemon):
    """Removed, over a restart, and added again or changed by the file: nobody has said that the server is well."""
    daemon.start()
    for comes_back in ("added", "changed in the file"):
        daemon.patch("portal/app-2", admin="maint", reason="its disk is dead")
        daemon.remove("portal/app-2")
        daemon.kill()
        daemon.start()
        wait_until("app-2 is gone", lambda: daemon.names() == ["app-1"])
        if comes_back == "added":
            daemon.add("portal/app-2", BACKENDS[1], weight=20)
        else:
            daemon.configure(portal(("app-1", BACKENDS[0], 10), ("app-2", BACKENDS[1], 21)))
            assert any("it is back, in maint as before" in line for line in daemon.reload().json["summary"])
        back = daemon.backend("portal/app-2")
        assert (back["admin"], back["effective"]) == ("maint", "out")
        assert back["overrides"][0]["reason"] == "its disk is dead"
        daemon.patch("portal/app-2", admin="ready")


def test_going_back_to_the_file_leaves_no_override(daemon):
    daemon.start()
    change_everything(daemon)
    daemon.patch("portal/app-1", admin="ready", weight=10)
    daemon.add("portal/app-2", BACKENDS[1], weight=20)
    daemon.remove("portal/app-3")
    wait_until("app-3 is gone", lambda: daemon.names() == ["app-1", "app-2"])
    assert daemon.status()["overrides"] == 0
    assert rows(daemon, "SELECT count(*) FROM overrides") == [(0,)]


def test_a_file_that_is_damaged_is_moved_aside_and_said(daemon):
    daemon.start()
    change_everything(daemon)
    assert daemon.host.lbd.stop() == 0
    kept = daemon.host.state_dir / "state.db"
    kept.write_bytes(kept.read_bytes()[:5000])
    daemon.start()
    assert daemon.names() == ["app-1", "app-2"]
    assert any("state.db is damaged" in problem for problem in daemon.status()["problems"])
    assert len(list(daemon.host.state_dir.glob("state.db.corrupt-*Z"))) == 1
    assert "event=state-unread" in daemon.log()


def test_the_file_of_an_earlier_version_is_taken_in(daemon):
    (daemon.host.state_dir / "overrides.json").write_text(json.dumps({"format": 1, "backends": [
        {"service": "portal", "backend": "app-2",
         "admin": {"value": "maint", "by": "root (uid 0)", "at": "2026-01-01T00:00:00.000Z", "reason": "disk"}}]}))
    for _ in range(2):
        daemon.start()
        assert daemon.backend("portal/app-2")["admin"] == "maint"
        assert daemon.backend("portal/app-2")["overrides"][0]["reason"] == "disk"
        assert daemon.host.lbd.stop() == 0
    assert [each.name for each in daemon.host.state_dir.glob("overrides.json*")] == ["overrides.json.imported"]


def test_what_operators_did_is_in_the_journal(daemon):
    daemon.start()
    daemon.patch("portal/app-1", weight=3, reason="slow disk")
    assert daemon.ask("PATCH", "/api/v1/services/portal/backends/app-1", {"weight": 999}).status == 400
    assert rows(daemon, "SELECT by, reason, what, subject, before, after FROM journal") == [
        ("root (uid 0)", "slow disk", "backend-changed", "portal/app-1",
         "admin ready, weight 10", "admin ready, weight 3")]


def test_a_change_that_cannot_be_kept_is_not_made(daemon):
    daemon.start()
    with contextlib.closing(sqlite3.connect(daemon.host.state_dir / "state.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        answer = daemon.ask("PATCH", "/api/v1/services/portal/backends/app-1", {"weight": 3})
    assert (answer.status, answer.error["code"]) == (500, "internal")
    assert "cannot be kept" in answer.error["message"]
    assert daemon.backend("portal/app-1")["weight"] == 10
    assert daemon.status()["generation"] == 1
