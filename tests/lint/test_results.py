"""tools/results.py counts what ran: a crash, a skip or an empty run is never a pass."""

import json
import pathlib
import subprocess

RESULTS = pathlib.Path(__file__).resolve().parents[2] / "tools" / "results.py"


def results(*arguments):
    return subprocess.run([RESULTS, *arguments], capture_output=True, text=True, check=False)


def meson_logs(root, cases, *programs):
    logs = root / "meson-logs"
    logs.mkdir(exist_ok=True)
    (logs / "testlog.junit.xml").write_text(f"<testsuites><testsuite name='t'>{cases}</testsuite></testsuites>")
    lines = [{"name": f"p{i}", "result": result, "returncode": code} for i, (result, code) in enumerate(programs)]
    (logs / "testlog.json").write_text("\n".join(json.dumps(line) for line in lines))


def total(tally):
    done = results("sum", tally)
    return done.returncode, done.stdout.strip()


def test_passed_and_skipped_cases_are_counted_with_the_reason(tmp_path):
    meson_logs(tmp_path, "<testcase name='a'/><testcase name='b'><skipped message='no huge pages'/></testcase>",
               ("OK", 0))
    done = results("add", tmp_path / "tally", "unit", "meson", tmp_path)
    assert done.returncode == 0
    assert "skipped t.b: no huge pages" in done.stdout
    assert total(tmp_path / "tally") == (0, "1 passed, 0 failed, 1 skipped")


def test_a_failed_case_fails_once(tmp_path):
    meson_logs(tmp_path, "<testcase name='a'/><testcase name='b'><failure message='1 != 2'/></testcase>", ("FAIL", 1))
    assert "FAILED  t.b: 1 != 2" in results("add", tmp_path / "tally", "unit", "meson", tmp_path).stdout
    assert total(tmp_path / "tally") == (1, "1 passed, 1 failed, 0 skipped")


def test_a_program_that_dies_after_its_last_case_fails(tmp_path):
    meson_logs(tmp_path, "<testcase name='a'/>", ("ERROR", -6))
    assert "p0: ERROR, exit -6" in results("add", tmp_path / "tally", "asan", "meson", tmp_path).stdout
    assert total(tmp_path / "tally") == (1, "1 passed, 1 failed, 0 skipped")


def test_a_run_that_left_nothing_fails(tmp_path):
    assert results("add", tmp_path / "tally", "unit", "meson", tmp_path).returncode == 1
    assert results("add", tmp_path / "tally", "functional", "pytest", tmp_path / "no.xml").returncode == 1
    assert total(tmp_path / "tally") == (1, "0 passed, 2 failed, 0 skipped")
    assert total(tmp_path / "nothing") == (1, "0 passed, 0 failed, 0 skipped")


def test_a_step_counts_only_when_it_fails(tmp_path):
    (tmp_path / "ok.xml").write_text("<testsuite name='s'><testcase classname='c' name='a'/></testsuite>")
    results("add", tmp_path / "tally", "functional", "pytest", tmp_path / "ok.xml")
    results("add", tmp_path / "tally", "lint", "step", "pass")
    assert total(tmp_path / "tally") == (0, "1 passed, 0 failed, 0 skipped")
    results("add", tmp_path / "tally", "lint", "step", "fail", "lint failed")
    assert total(tmp_path / "tally") == (1, "1 passed, 1 failed, 0 skipped")
