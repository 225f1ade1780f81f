"""Fixtures of the functional tests: a lab a test, cleared away whatever happens."""

import os
import pathlib
import signal

import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]


def pytest_configure(config):
    """An ended run clears up as an interrupted one does."""
    def interrupt(_signal, _frame):
        raise KeyboardInterrupt
    signal.signal(signal.SIGTERM, interrupt)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Keeps the outcome of the test's own part, so that a fixture can add logs to a failure."""
    outcome = yield
    report = outcome.get_result()
    if report.when == "call":
        item.failed = report.failed


@pytest.fixture(scope="session")
def build_dir():
    """The programs under test: build/release, or what FAIRLEAD_BUILD names."""
    return pathlib.Path(os.environ.get("FAIRLEAD_BUILD", REPOSITORY / "build" / "release")).resolve()


@pytest.fixture
def make_lab(request, build_dir):
    """Makes labs: make_lab(backends=3, ...) takes what Lab takes. They are closed after the test."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    from support.lab import Lab
    labs = []

    def make(**arguments):
        labs.append(Lab(build=build_dir, **arguments))
        return labs[-1]

    yield make
    for lab in labs:
        if getattr(request.node, "failed", False):
            print(lab.logs())
        lab.close()
