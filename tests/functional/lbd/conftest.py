"""One lbd in a network namespace of its own; backends are addresses on its loopback."""

import os
import pathlib
import sys
import uuid

import pytest
from support import leftovers
from support.balancer import Balancer

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

@pytest.fixture
def daemon(request, build_dir):
    """A Daemon that is not started yet, on a configuration that is right."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    from one_lbd import BACKENDS, Daemon
    lab_id = uuid.uuid4().hex[:8]
    directory = leftovers.LABS / lab_id
    try:
        host = Balancer(f"fl-{lab_id}-lb", "lb", directory / "lb", build_dir)
        host.ip(*[f"addr add {address}/32 dev lo" for address in BACKENDS])
        made = Daemon(host)
        made.configure()
        yield made
        if getattr(request.node, "failed", False):
            for log in sorted((directory / "lb").glob("*.log")):
                print(f"--- {log.name}\n{log.read_text(errors='replace')[-4000:]}")
    finally:
        leftovers.sweep(lab_id)
