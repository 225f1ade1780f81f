#!/usr/bin/python3
"""Limits that a count can tell: files of at most 600 lines (400 is a warning), the names at the top.

The top of the tree holds exactly the folders and files that the README's map names, plus dotfiles; an
untracked build directory is passed over.
"""

import re

import tree

HARD_LINES, WARN_LINES = 600, 400
COUNTED = (".h", ".cc", ".c", ".py", ".build", ".js", ".css", ".html")
TOP = {"meson.build", "dp", "ctl", "bpf", "conf", "tests", "tools", "findings", "README.md", "LICENSE"}
LINE_COLUMNS = 120  # scripts and meson files; clang-format keeps the C++
# Words that name nothing: a file called so has more than one subject.
EMPTY_NAMES = re.compile(r"(^|_)(mgr|manager|util|utils|helper|helpers|misc|common|stuff)(_|\.|$)|_v\d\.|\d_old")


def is_script(path):
    return path.suffix == "" and path.parts[0] in ("tools", ".ci")


def main():
    root = tree.parse_arguments(__doc__).root
    findings, checked = [], 0
    for entry in sorted(root.iterdir()):
        if not entry.name.startswith(".") and not entry.name.startswith("build") and entry.name not in TOP:
            findings.append(f"{entry.name}:1: does not belong at the top; there: {' '.join(sorted(TOP))}")
    for name in sorted(TOP):
        if not (root / name).exists():
            findings.append(f"{name}:1: is missing at the top")
    for path in tree.files(root):
        if EMPTY_NAMES.search(path.name):
            findings.append(f"{path}:1: name the file after its one decision")
        if not (path.name.endswith(COUNTED) or is_script(path)):
            continue
        checked += 1
        text = tree.lines(root, path)
        if len(text) > HARD_LINES:
            findings.append(f"{path}:{HARD_LINES}: {len(text)} lines, at most {HARD_LINES}: split by decision")
        elif len(text) > WARN_LINES:
            print(f"warning: {path} has {len(text)} lines: why above {WARN_LINES}?")
        if path.name.endswith((".py", ".build")) or is_script(path):
            findings += [f"{path}:{number}: longer than {LINE_COLUMNS} columns"
                         for number, line in enumerate(text, 1) if len(line) > LINE_COLUMNS]
    tree.finish(findings, checked, "files")


if __name__ == "__main__":
    main()
