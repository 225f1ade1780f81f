"""What the linters share: which files there are, and how a finding is told.

A linter is a program that takes --root DIR (default: this repository), prints one finding a line,
"file:line: what is wrong and what to do", and exits 1 if there was one.
"""

import argparse
import json
import os
import pathlib
import sys

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
NOT_OURS = {".git", "__pycache__", ".pytest_cache", ".cache", "subprojects"}
CPP = (".h", ".cc")
C_FAMILY = (".h", ".cc", ".c")


def parse_arguments(description, *extra):
    """Arguments of a linter; extra are (flag, keywords) pairs for add_argument."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--root", type=pathlib.Path, default=REPOSITORY, help="the tree to check")
    for flag, keywords in extra:
        parser.add_argument(flag, **keywords)
    arguments = parser.parse_args()
    arguments.root = arguments.root.resolve()
    return arguments


def files(root, suffixes=None):
    """Every file of the project below root, relative to it, sorted. Build directories are left out."""
    found = []
    for folder, folders, names in os.walk(root):
        at_root = pathlib.Path(folder) == root
        folders[:] = sorted(f for f in folders if f not in NOT_OURS and not (at_root and f.startswith("build")))
        for name in names:
            if suffixes is None or name.endswith(suffixes):
                found.append((pathlib.Path(folder) / name).relative_to(root))
    return sorted(found)


def lines(root, path):
    return (root / path).read_text(encoding="utf-8", errors="replace").splitlines()


def compile_commands(root, build):
    """The commands of a build directory by source path relative to root: {path: (directory, command)}."""
    database = root / build / "compile_commands.json"
    if not database.exists():
        sys.exit(f"{database} is missing: build first, with tools/test --only build (or clang)")
    commands = {}
    for entry in json.loads(database.read_text()):
        directory = pathlib.Path(entry["directory"])
        source = pathlib.Path(os.path.normpath(directory / entry["file"]))
        if source.is_relative_to(root) and not source.is_relative_to(root / build):
            commands[source.relative_to(root)] = (directory, entry["command"])
    return commands


def finish(findings, checked, what):
    """Prints the findings and ends the program. Having looked at nothing is a failure too."""
    for finding in findings:
        print(finding)
    if not checked:
        print(f"nothing to check: no {what} found")
        sys.exit(1)
    print(f"{checked} {what}, {len(findings)} findings")
    sys.exit(1 if findings else 0)
