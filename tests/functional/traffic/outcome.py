"""What became of the requests of a load, for assertions."""

import time


def count_by_backend(results):
    counts = {}
    for result in results:
        if result["backend"]:
            counts[result["backend"]] = counts.get(result["backend"], 0) + 1
    return counts


def stop_without_failures(loads, at_least=20):
    """Stops the loads; every request of every one was answered, and there were enough to say so."""
    for name, load in loads.items():
        load.wait_for(f"{at_least} requests of {name}", lambda results: len(results) >= at_least, 20)
        results = load.stop()
        failures = [r for r in results if r["error"]]
        assert not failures, f"{name}: {len(failures)} of {len(results)} requests failed: {failures[:5]}"


def wait_for_answers(load, condition, what, timeout_s=20):
    """Until condition({backend: answers}) holds for the requests that begin from now on."""
    now = time.monotonic()
    load.wait_for(what, lambda results: condition(count_by_backend(r for r in results if r["at"] >= now)), timeout_s)
