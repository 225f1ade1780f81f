#!/usr/bin/python3
"""What the packet path's archives call: nothing that allocates, locks, throws, logs or asks the kernel.

Reads the undefined symbols of libnet, libshm, libflow and libforward in a release build (--build). Each has
to be defined in one of these archives, or be allowed, with the reason, in tools/lint/symbols_allowed.txt:

    any       SYMBOL         # why        every object may call it
    exempt    ARCHIVE OBJECT # why        this object is no packet path; then nothing of the packet path
                                          may call what it defines
    from      OBJECT SYMBOL  # why        one object may call this symbol, also of an exempt object

An entry that nothing needs is a finding too.
"""

import collections
import pathlib
import re
import subprocess
import sys

import tree

ARCHIVES = {"libnet": "dp/net", "libshm": "dp/shm", "libflow": "dp/flow", "libforward": "dp/forward"}
ALLOWED = pathlib.Path("tools/lint/symbols_allowed.txt")

Rules = collections.namedtuple("Rules", "any exempt from_object")
# What forbidden symbols have in common, so that a finding says more than a name.
KINDS = [
    (re.compile(r"^(malloc|calloc|realloc|free|posix_memalign|aligned_alloc|_Zn[wa]|_Zd[la])"), "allocates"),
    (re.compile(r"^(__cxa_|_Unwind|_ZSt\d+__throw|__gxx_personality)"), "throws"),
    (re.compile(r"^(pthread_|_ZNSt5mutex|sem_)"), "locks"),
    (re.compile(r"^(clock_gettime|gettimeofday|time|_ZNSt6chrono)"), "reads a clock"),
]


def read_rules(root):
    rules = Rules({}, {}, {})
    for number, line in enumerate(tree.lines(root, ALLOWED), 1):
        text, _, reason = line.partition("#")
        words = text.split()
        if not words:
            continue
        if not reason.strip():
            sys.exit(f"{ALLOWED}:{number}: an exception without its reason")
        if words[0] == "any" and len(words) == 2:
            rules.any[words[1]] = number
        elif words[0] == "exempt" and len(words) == 3:
            rules.exempt[(words[1], words[2])] = number
        elif words[0] == "from" and len(words) == 3:
            rules.from_object[(words[1], words[2])] = number
        else:
            sys.exit(f"{ALLOWED}:{number}: expected any SYMBOL, exempt ARCHIVE OBJECT or from OBJECT SYMBOL")
    return rules


def read_objects(archive):
    """{object: (defined symbols, undefined symbols)} of an archive, objects named after their source."""
    listing = subprocess.run(["nm", "-A", "-P", archive], capture_output=True, text=True, check=True).stdout
    objects = {}
    for line in listing.splitlines():
        where, name, kind = line.split()[:3]
        # "libnet.a[libnet.a.p/ip_address.cc.o]:", a thin archive's member with its folder
        match = re.search(r"\[(?:.*/)?([^/\]]+)\.o\]:$", where) or re.search(r"([^/:]+)\.o:$", where)
        defined, undefined = objects.setdefault(match.group(1), (set(), set()))
        (undefined if kind in "Uwv" else defined).add(name)
    return objects


def describe(symbol):
    plain = subprocess.run(["c++filt", symbol], capture_output=True, text=True, check=True).stdout.strip()
    for pattern, kind in KINDS:
        if pattern.search(symbol):
            return f"{plain} ({kind})"
    return plain


def check(archives, rules):
    """Findings over {archive: {object: (defined, undefined)}}."""
    packet_path, exempt_only, used = set(), {}, set()
    for archive, objects in archives.items():
        for name, (defined, _) in objects.items():
            if (archive, name) in rules.exempt:
                used.add(("exempt", archive, name))
                exempt_only.update({symbol: name for symbol in defined})
            else:
                packet_path |= defined
    findings = []
    for archive, objects in archives.items():
        for name, (_, undefined) in objects.items():
            if (archive, name) in rules.exempt:
                continue
            for symbol in sorted(undefined - packet_path):
                if (name, symbol) in rules.from_object:
                    used.add(("from", name, symbol))
                elif symbol in rules.any:
                    used.add(("any", symbol))
                else:
                    where = f", defined in {exempt_only[symbol]}, which is exempt" if symbol in exempt_only else ""
                    findings.append(f"{ARCHIVES[archive]}/{name}:1: the packet path calls {describe(symbol)}{where}")
    entries = {("any", s): n for s, n in rules.any.items()}
    entries |= {("exempt", *key): n for key, n in rules.exempt.items()}
    entries |= {("from", *key): n for key, n in rules.from_object.items()}
    for entry, number in sorted(entries.items(), key=lambda item: item[1]):
        if entry not in used and entry[0] != "any":
            findings.append(f"{ALLOWED}:{number}: nothing needs \"{' '.join(entry)}\" any more: delete the line")
    return findings


def main():
    arguments = tree.parse_arguments(__doc__, ("--build", {"default": "build/release"}))
    rules = read_rules(arguments.root)
    archives, missing = {}, []
    for archive, folder in ARCHIVES.items():
        path = arguments.root / arguments.build / folder / f"{archive}.a"
        if path.exists():
            archives[archive] = read_objects(path)
        else:
            missing.append(f"{folder}:1: {path} is missing: build first, with tools/test --only build")
    tree.finish(missing + check(archives, rules), sum(len(objects) for objects in archives.values()), "objects")


if __name__ == "__main__":
    main()
