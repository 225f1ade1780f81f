"""The file `tables` under a running engine: one of another version is waited out, a new one is followed."""

import struct

import pytest
from support import api
from support.host import LabError, wait_until
from support.lending import URLS, config

LENDING = {"hugepages": "none"}  # a file in huge pages is cut by whole ones only
FINGERPRINT_AT = 20  # in the header of every segment


@pytest.fixture
def restored(platform):
    """Whatever a test leaves, the next one finds both programs running, and every backend serving."""
    yield
    for name in ("lbd", "lbdp"):
        if not getattr(platform.balancer, name).is_running():
            getattr(platform.balancer, f"start_{name}")()
    wait_until("every backend serves", lambda: api.all_serve(platform.balancer), timeout_s=20)


def make_foreign(path):
    """As if a daemon of another version had made it."""
    with open(path, "r+b") as file:
        file.seek(FINGERPRINT_AT)
        (fingerprint,) = struct.unpack("<I", file.read(4))
        file.seek(FINGERPRINT_AT)
        file.write(struct.pack("<I", fingerprint ^ 1))


def indexes(balancer):
    return {key: b["index"] for key, b in api.backends(balancer).items()}


def set_admin(balancer, admin):
    """Of portal/b1, in force when it returns."""
    status, answer = api.call(balancer, "PATCH", "/api/v1/services/portal/backends/b1?wait=5s", {"admin": admin})
    assert status == 200, answer


def slow_download(lab, name):
    return lab.client.start(name, "bash", "-o", "pipefail", "-c",
                            'curl -sS --fail --max-time 60 "$0" | sha256sum', "http://203.0.113.10/slow/large")


def wait_tracked(lab):
    wait_until("the download is tracked", lambda: any(
        b["active_flows"] for b in api.get(lab.balancer, "/api/v1/services/portal")["backends"]))


def test_an_upgrade_that_changes_the_tables_keeps_every_flow(platform, restored):
    balancer = platform.balancer
    download = slow_download(platform, "over-an-upgrade")
    wait_tracked(platform)
    for name, weight in (("b1", 1), ("b2", 100), ("b3", 7)):  # what keeps it is its entry alone
        balancer.lbctl("backend", "weight", f"portal/{name}", weight, "--wait")
    before = indexes(balancer)
    balancer.lbd.kill()
    balancer.lbd.wait()
    make_foreign(balancer.run_dir / "tables")

    # The old engine forwards by the old tables: the new daemon says what comes first.
    with pytest.raises(LabError) as refused:
        balancer.start_lbd()
    assert "restart lbdp by its new version" in str(refused.value)
    # The new engine waits for the new daemon, and says so.
    balancer.lbdp.kill()
    balancer.lbdp.wait()
    balancer.start_lbdp()
    assert "event=tables-do-not-fit" in balancer.lbdp.log.read_text()
    balancer.start_lbd()
    wait_until("the engine follows", lambda: "event=forwarding" in balancer.lbdp.log.read_text().split("not-fit")[-1])
    assert indexes(balancer) == before
    assert download.is_running(), "too late to test anything"
    assert download.wait(60) == 0, download.tail()
    assert platform.large_sha256 in download.log.read_text()
    assert balancer.lbctl("status", "--check").code == 0
    for name in ("b1", "b2", "b3"):
        balancer.lbctl("backend", "weight", f"portal/{name}", 10, "--wait")


def test_removed_tables_are_told_and_the_next_ones_followed(platform, restored, loads):
    balancer = platform.balancer
    running = loads()
    (balancer.run_dir / "tables").unlink()
    wait_until("lbctl tells", lambda: 'removed, replaced or cut the file "tables"' in balancer.lbctl("status").out)
    check = balancer.lbctl("status", "--check", check=False)
    assert check.code == 1, check.out
    set_admin(balancer, "drain")  # what is mapped is followed all the same
    assert {platform.client.get(URLS["portal"]) for _ in range(20)} == {"b2", "b3"}
    set_admin(balancer, "ready")
    balancer.lbd.kill()
    balancer.lbd.wait()
    balancer.start_lbd()
    wait_until("the new ones are followed", lambda: balancer.lbctl("status", "--check", check=False).code == 0)
    assert "event=tables-changed" in balancer.lbdp.log.read_text()
    set_admin(balancer, "drain")
    assert {platform.client.get(URLS["portal"]) for _ in range(20)} == {"b2", "b3"}
    set_admin(balancer, "ready")
    for name, load in running.items():
        failures = [r for r in load.stop() if r["error"]]
        assert not failures, (name, failures[:5])


@pytest.mark.parametrize("name, left_bytes", [("tables", 4096), ("tables", 0), ("telemetry", 4096), ("flows", 4096)])
def test_a_cut_file_ends_nobody(platform, restored, name, left_bytes):
    balancer = platform.balancer
    platform.client.get(URLS["portal"])
    with open(balancer.run_dir / name, "r+b") as file:
        file.truncate(left_bytes)
    # Everything that reads or writes it, on both sides.
    for _ in range(5):
        balancer.lbctl("status", check=False)
        balancer.lbctl("drops", check=False)
        api.call(balancer, "GET", "/api/v1/trace?protocol=tcp&source=10.1.0.2:1&destination=203.0.113.10:80&flags=S")
        api.call(balancer, "PATCH", "/api/v1/services/portal/backends/b1", {"weight": 9})
        balancer.metrics_text()
        platform.client.run("curl", "-sS", "--max-time", "1", URLS["portal"], check=False)
    assert balancer.lbd.is_running() and balancer.lbdp.is_running()
    wrong = "event=tables-replaced" if name == "tables" else "event=segments-damaged"
    wait_until("the engine tells", lambda: wrong in balancer.lbdp.log.read_text())
    if name == "tables":
        check = balancer.lbctl("status", "--check", check=False)
        assert check.code == 2, check.out
        critical = balancer.lbctl("-o", "json", "status").json()["critical"]
        assert len([each for each in critical if 'cut the file "tables"' in each]) == 1, critical
    assert name == "flows" or balancer.lbctl("status", "--check", check=False).code != 0
    restart = (balancer.lbd, balancer.start_lbd) if name == "tables" else (balancer.lbdp, balancer.start_lbdp)
    restart[0].kill()
    restart[0].wait()
    restart[1]()
    wait_until("all is well", lambda: balancer.lbctl("status", "--check", check=False).code == 0)
    assert platform.client.get(URLS["portal"]) in {"b1", "b2", "b3"}
    balancer.lbctl("backend", "weight", "portal/b1", 10, "--wait")


def test_what_is_no_segment_at_all_is_waited_out_too(make_lab):
    lab = make_lab(backends=1, file_bytes=1)
    balancer = lab.balancer
    balancer.configure(config(lab, hugepages="none"))
    (balancer.run_dir / "tables").write_bytes(b"fairlead-tables\0" + bytes(4096))
    balancer.start_lbdp()
    wait_until("the engine tells", lambda: "event=tables-do-not-fit" in balancer.lbdp.log.read_text())
    said = balancer.lbdp.log.read_text()
    assert "tables was made by lbd" in said and "of the same version" in said
    balancer.start_lbd()
    wait_until("the engine follows", lambda: "event=forwarding" in balancer.lbdp.log.read_text())
    assert balancer.stop_both() == (0, 0)


@pytest.mark.parametrize("name", ["telemetry", "flows"])
def test_a_removed_file_is_told_and_costs_no_connection(platform, restored, loads, name):
    """Also when lbd is restarted and finds no file where the engine's is."""
    balancer = platform.balancer
    running = loads()
    (balancer.run_dir / name).unlink()
    for step in ("removed", "lbd restarted"):
        if step == "lbd restarted":
            balancer.lbd.kill()
            balancer.lbd.wait()
            balancer.start_lbd()
        wait_until(f"lbctl tells, {step}", lambda: f'the file "{name}"' in balancer.lbctl("status").out, 5)
        print(step, balancer.lbctl("status", "--check", check=False).out)
        assert balancer.lbctl("status", "--check", check=False).code != 0
        assert platform.client.get(URLS["portal"]) in {"b1", "b2", "b3"}
    balancer.lbdp.kill()
    balancer.lbdp.wait()
    balancer.start_lbdp()
    wait_until("all is well", lambda: balancer.lbctl("status", "--check", check=False).code == 0)
    for load_name, load in running.items():
        failures = [r for r in load.stop() if r["error"]]
        assert not failures, (load_name, failures[:5])
