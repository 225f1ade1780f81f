#!/usr/bin/env python3
"""Adds up what the test runs of tools/test left behind.

    tools/results.py add TALLY STAGE meson BUILD_DIR      the last `meson test` of a build directory
    tools/results.py add TALLY STAGE pytest FILE.xml      a pytest run's JUnit file
    tools/results.py add TALLY STAGE step pass|fail TEXT  a stage that is no test run (a build, a linter)
    tools/results.py sum TALLY                            the verdict

TALLY is a file of one JSON object a stage. `add` prints the stage's counts and every failure and skip
with its reason; `sum` prints one line, "N passed, N failed, N skipped", and exits 1 if anything failed
or nothing ran. A step counts only when it fails: a build that works is no test that passed.
"""

import json
import pathlib
import sys
import xml.etree.ElementTree as ElementTree


class Counts:
    def __init__(self):
        self.passed = 0
        self.failures = []  # one line each
        self.skips = []

    def read_junit(self, path):
        """Adds the cases of one JUnit file; returns the suites' names that had any."""
        suites = set()
        for suite in ElementTree.parse(path).getroot().iter("testsuite"):
            for case in suite.findall("testcase"):
                suites.add(suite.get("name", "").split(".")[0])
                self.add_case(suite.get("name", ""), case)
        return suites

    def add_case(self, suite, case):
        name = f"{case.get('classname') or suite}.{case.get('name')}"
        broken = case.find("failure")
        if broken is None:
            broken = case.find("error")
        skipped = case.find("skipped")
        if broken is not None:
            self.failures.append(f"{name}: {first_line(broken)}")
        elif skipped is not None or case.get("status") == "notrun" or case.get("result") == "skipped":
            self.skips.append(f"{name}: {first_line(skipped)}")
        else:
            self.passed += 1

    def read_meson(self, build_dir):
        """One `meson test`: its JUnit file has the gtest cases, its JSON log what became of each program."""
        logs = pathlib.Path(build_dir) / "meson-logs"
        junit, log = logs / "testlog.junit.xml", logs / "testlog.json"
        if not log.exists():
            self.failures.append(f"{log} is missing: meson test did not run")
            return
        before = len(self.failures)
        if junit.exists():
            self.read_junit(junit)
        failed_cases = len(self.failures) - before
        programs = [json.loads(line) for line in log.read_text().splitlines() if line.strip()]
        bad = [p for p in programs if p["result"] not in ("OK", "EXPECTEDFAIL", "SKIP")]
        # A program that died, hung or leaked can do so with every case of its own passed.
        if len(bad) > failed_cases:
            for program in bad:
                self.failures.append(f"{program['name']}: {program['result']}, exit {program['returncode']}")
        if not programs:
            self.failures.append(f"{build_dir} has no tests")


def first_line(element):
    if element is None:
        return "no reason given"
    text = element.get("message") or element.text or "no reason given"
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    # gtest puts the file and line first, and the words on the lines after it.
    return " ".join(lines[:3]) if lines else "no reason given"


def add(tally, stage, kind, *rest):
    counts = Counts()
    if kind == "meson":
        counts.read_meson(rest[0])
    elif kind == "pytest":
        if pathlib.Path(rest[0]).exists():
            counts.read_junit(rest[0])
        else:
            counts.failures.append(f"{rest[0]} is missing: pytest did not run")
    elif rest[0] != "pass":
        counts.failures.append(" ".join(rest[1:]))
    for reason in counts.failures:
        print(f"  FAILED  {reason}")
    for reason in counts.skips:
        print(f"  skipped {reason}")
    if kind != "step":
        print(f"  {stage}: {counts.passed} passed, {len(counts.failures)} failed, {len(counts.skips)} skipped")
    record = {"stage": stage, "passed": counts.passed, "failed": len(counts.failures), "skipped": len(counts.skips)}
    with open(tally, "a", encoding="utf-8") as out:
        out.write(json.dumps(record) + "\n")
    return 1 if counts.failures else 0


def total(tally):
    try:
        with open(tally, encoding="utf-8") as file:
            records = [json.loads(line) for line in file]
    except FileNotFoundError:
        records = []
    passed, failed, skipped = (sum(r[key] for r in records) for key in ("passed", "failed", "skipped"))
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 0 if failed == 0 and passed > 0 else 1


def main(arguments):
    if len(arguments) >= 4 and arguments[0] == "add":
        return add(*arguments[1:])
    if len(arguments) == 2 and arguments[0] == "sum":
        return total(arguments[1])
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
