"""Fixtures: one lending platform for the tests of a file, since making it takes longer than most of them."""

import os

import pytest
from support import api
from support.host import wait_until
from support.lab import Lab
from support.lending import URLS, start_lending


@pytest.fixture(scope="module")
def platform(request, build_dir):
    """A Lab in which everything runs and every backend serves. A file may set LAB and LENDING, the options of both.

    A test puts back what it changes.
    """
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    failed_before = request.session.testsfailed
    with Lab(build=build_dir, **{"file_bytes": 8 << 20, **getattr(request.module, "LAB", {})}) as lab:
        is_ready = False
        try:
            start_lending(lab, **getattr(request.module, "LENDING", {}))
            wait_until("every backend serves", lambda: api.all_serve(lab.balancer), timeout_s=20)
            is_ready = True
            yield lab
        finally:
            if not is_ready or request.session.testsfailed > failed_before:
                print(lab.balancer.lbctl("backend", "list", check=False).out)
                print(lab.logs())


@pytest.fixture
def loads(platform):
    """loads(): a load of closing connections on every HTTP service, {service: Load}; stopped after the test."""
    started = {}

    def start(services=tuple(URLS), connections=2, pause_ms=20):
        for name in services:
            started[name] = platform.client.start_load(URLS[name], connections=connections, pause_ms=pause_ms)
        return started

    yield start
    for load in started.values():
        load.process.stop()
