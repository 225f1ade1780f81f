#!/usr/bin/python3
"""Sources are formatted as .clang-format says. To repair: tools/lint/formatting.py --fix"""

import re
import subprocess

import tree


def main():
    arguments = tree.parse_arguments(__doc__, ("--fix", {"action": "store_true"}))
    paths = [str(path) for path in tree.files(arguments.root, tree.C_FAMILY)]
    mode = ["-i"] if arguments.fix else ["--dry-run", "-Werror"]
    findings = []
    if paths:
        done = subprocess.run(["clang-format-14", "--style=file", *mode, *paths],
                              cwd=arguments.root, capture_output=True, text=True, check=False)
        places = re.findall(r"^([^\s:]+):(\d+):\d+: error:", done.stderr, re.MULTILINE)
        first = {path: line for path, line in reversed(places)}
        findings = [f"{path}:{line}: not formatted: tools/lint/formatting.py --fix" for path, line in first.items()]
        if done.returncode != 0 and not findings:
            findings = [f"clang-format-14 failed: {done.stderr.strip()}"]
    tree.finish(findings, len(paths), "sources")


if __name__ == "__main__":
    main()
