"""Asks a dumper program (tests/oracle/dump_*.cc): a request a line in, an answer a line out."""

import os
import pathlib
import subprocess

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("FAIRLEAD_BUILD", REPOSITORY / "build" / "release")).resolve()


def ask(program, requests):
    """The answers of `program`, from build/release or what FAIRLEAD_BUILD names, to a list of requests.
    A program that is not built, or fails, fails the test."""
    done = subprocess.run(
        [BUILD / "tests" / "oracle" / program],
        input="\n".join(requests) + "\n",
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    answers = done.stdout.splitlines()
    assert len(answers) == len(requests), f"{len(requests)} requests, {len(answers)} answers"
    return answers
