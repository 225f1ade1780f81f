#!/usr/bin/python3
"""Includes obey the one direction in which folders may use each other (dp/README.md, ctl/README.md).

Quoted includes are written from the root. What an outside library may be included by is checked too:
DPDK only by dp/engine, toml++ only by conf/schema, libpcap only by ctl/capture, CLI11 only by ctl/cli and
conf/command_line, generated BPF skeletons only by bpf/loader. Tests may include anything.
"""

import re

import tree

DP_ORDER = ["dp/base", "dp/net", "dp/shm", "dp/flow", "dp/forward"]

# Folder: the folders that it may include from, itself apart. The longest matching folder counts.
MAY_USE = {
    "dp/base": [],
    "dp/net": ["dp/base"],
    "dp/shm": ["dp/base", "dp/net", "bpf/abi"],
    "dp/flow": ["dp/base", "dp/net", "dp/shm", "bpf/abi"],
    "dp/forward": DP_ORDER[:-1] + ["bpf/abi"],
    "dp/engine": DP_ORDER + ["bpf/loader", "bpf/abi"],
    "dp": DP_ORDER + ["dp/engine", "conf/command_line", "conf/schema", "bpf/loader", "bpf/abi"],  # dp/main.cc
    "conf/command_line": [],
    "conf/schema": ["dp/base", "dp/net"],
    "bpf/abi": [],
    "bpf/include": ["bpf/abi"],
    "bpf/loader": ["dp/base", "bpf/abi"],
    "bpf": ["bpf/abi", "bpf/include"],  # the BPF programs themselves
    "ctl": ["ctl"] + DP_ORDER + ["conf/command_line", "conf/schema", "bpf/loader", "bpf/abi"],
    "tests": None,  # anything
}

# Outside headers that few may include: (pattern, what it is, who may).
OUTSIDE = [
    (re.compile(r"^rte_\w+\.h$"), "DPDK", re.compile(r"^(dp/engine|tests)/")),
    (re.compile(r"^toml(\+\+|plusplus)?(/|\.h)"), "toml++", re.compile(r"^(conf/schema|tests)/")),
    (re.compile(r"^CLI/"), "CLI11", re.compile(r"^(ctl/cli|conf/command_line|tests)/")),
    (re.compile(r"^pcap"), "libpcap", re.compile(r"^(ctl/capture|tests)/")),
    (re.compile(r"\.skel\.h$"), "a generated BPF skeleton", re.compile(r"^(bpf/loader|tests)/")),
]

INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]')


def rule_for(path):
    """The longest folder of MAY_USE that path lies in, or None."""
    folder = path.parent
    while str(folder) != ".":
        if str(folder) in MAY_USE:
            return str(folder)
        folder = folder.parent
    return None


def within(include, folder):
    """A rule for dp/engine or ctl covers the folders below it; one for dp or bpf only its own files."""
    if folder == "bpf":
        return include.startswith("bpf/") and include.count("/") == 1
    return include.startswith(folder + "/")


def wrong_include(root, path, rule, quote, include):
    """Why path, under rule, may not include this; None if it may."""
    for pattern, what, allowed in OUTSIDE:
        if pattern.search(include):
            return None if allowed.match(str(path)) else f"includes {include}: {what} is not for this folder"
    if quote == "<":
        return None
    if MAY_USE[rule] is None:
        return None
    if not (root / include).exists():
        return f'includes "{include}", which is not there: write includes from the root, <...> for what is not ours'
    if any(within(include, folder) for folder in [rule] + MAY_USE[rule] if folder != "dp"):
        return None
    if rule == "dp" and re.match(r"^dp/[^/]+$", include):
        return None
    return f'includes "{include}": {rule} may use {", ".join(MAY_USE[rule]) or "nothing of ours"}'


def main():
    root = tree.parse_arguments(__doc__).root
    findings, checked = [], 0
    for path in tree.files(root, tree.C_FAMILY):
        checked += 1
        rule = rule_for(path)
        if rule is None:
            findings.append(f"{path}:1: lies in a folder that has no rule in tools/lint/layers.py")
            continue
        for number, line in enumerate(tree.lines(root, path), 1):
            match = INCLUDE.match(line)
            if match and (reason := wrong_include(root, path, rule, *match.groups())):
                findings.append(f"{path}:{number}: {reason}")
    tree.finish(findings, checked, "sources")


if __name__ == "__main__":
    main()
