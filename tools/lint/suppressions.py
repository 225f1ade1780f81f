#!/usr/bin/python3
"""Places where a tool was told to look away, counted by folder, against tools/lint/suppressions.txt.

The number may only change by a line of a commit that says so: after adding or removing one, run
tools/lint/suppressions.py --update and give the reason beside the suppression itself.
"""

import collections
import pathlib
import re

import tree

COUNTED = pathlib.Path("tools/lint/suppressions.txt")
LOOKED_AT = (".h", ".cc", ".c", ".py", ".sh", ".build", ".toml", ".yml")
# Written so that this file does not count itself.
PATTERN = re.compile("|".join([
    r"NO" r"LINT", r"#\s*pragma\s+(GCC|clang)\s+diag" r"nostic\s+(ignored|warning)", r"clang-format" r" off",
    r"shellcheck" r" disable", r"type:" r" ignore", r"#\s*no" r"qa", r"py" r"lint:\s*disable", r"no_" r"sanitize",
    r"LCOV" r"_EXCL", r"-Wno" r"-error", r"'-Wno-",
]))
CLOSES = re.compile(r"NO" r"LINTEND")


def is_script(path):
    """Programs without a suffix, such as tools/test."""
    return path.suffix == "" and path.parts[0] in ("tools", ".ci")


def count(root):
    """{folder: [place, ...]}"""
    places = collections.defaultdict(list)
    for path in tree.files(root):
        if not (path.name.endswith(LOOKED_AT) or is_script(path)):
            continue
        for number, line in enumerate(tree.lines(root, path), 1):
            if PATTERN.search(line) and not CLOSES.search(line):
                places[str(path.parent)].append(f"{path}:{number}: {line.strip()}")
    return places


def main():
    arguments = tree.parse_arguments(__doc__, ("--update", {"action": "store_true"}))
    root = arguments.root
    places = count(root)
    if arguments.update:
        text = "# Suppressions by folder; tools/lint/suppressions.py --update writes this.\n"
        text += "".join(f"{folder} {len(found)}\n" for folder, found in sorted(places.items()))
        (root / COUNTED).write_text(text)
    expected = {}
    for line in tree.lines(root, COUNTED):
        if line.strip() and not line.startswith("#"):
            folder, number = line.split()
            expected[folder] = int(number)
    findings = []
    for folder in sorted(expected.keys() | places.keys()):
        found = places.get(folder, [])
        if len(found) != expected.get(folder, 0):
            findings.append(f"{folder}: {len(found)} suppressions, {COUNTED} says {expected.get(folder, 0)}")
            findings += [f"  {place}" for place in found]
    tree.finish(findings, len(tree.files(root)), "files")


if __name__ == "__main__":
    main()
