#!/usr/bin/python3
"""clang-tidy over every C++ source that the clang build compiles (--build, default build/clang).

A source that passed is not checked again until it, a header it includes, its flags, .clang-tidy or
clang-tidy itself changes: what passed is kept by hash in build/tidy-cache. Headers of ours and generated
ones count by content, the system's by size and time. --jobs N, default one a CPU; paths limit the run.

Without --paths-analysis the checks that walk a function's paths (clang-analyzer-*) are left out: they take
more than half of the time.
"""

import argparse
import concurrent.futures
import hashlib
import os
import pathlib
import re
import shlex
import subprocess
import sys
import time

import tree

CLANG_TIDY = "clang-tidy-14"


def dependencies(root, build):
    """{source: [headers]} as ninja recorded them when it compiled."""
    listing = subprocess.run(["ninja", "-C", build, "-t", "deps"], cwd=root, capture_output=True, text=True, check=True)
    found = {}
    for block in listing.stdout.split("\n\n"):
        names = [line.strip() for line in block.splitlines()[1:] if line.startswith("    ")]
        paths = [pathlib.Path(os.path.normpath(root / build / name)) for name in names]
        # Where a precompiled header is used, its headers come before the source.
        for source in (path for path in paths if path.suffix == ".cc"):
            found[source] = paths
    return found


class Stamp:
    """What a file looked like: its content if it is ours or generated, its size and time if the system's."""

    def __init__(self, root):
        self.root, self.known = root, {}

    def of(self, path):
        if path not in self.known:
            if path.is_relative_to(self.root):
                self.known[path] = hashlib.sha256(path.read_bytes()).hexdigest()
            else:
                status = path.stat()
                self.known[path] = f"{status.st_size} {status.st_mtime_ns}"
        return self.known[path]


def key_of(stamp, settings, command, paths):
    digest = hashlib.sha256(settings.encode())
    digest.update(command.encode())
    for path in sorted(set(paths)):
        name = path.relative_to(stamp.root) if path.is_relative_to(stamp.root) else path
        digest.update(f"{name} {stamp.of(path)}\n".encode())
    return digest.hexdigest()


def check(root, build, options, source):
    done = subprocess.run([CLANG_TIDY, "--quiet", "-p", build, *options, str(source)], cwd=root,
                          capture_output=True, text=True, check=False)
    return source, done.returncode == 0, done.stdout


def short(root, text):
    kept = [line for line in text.splitlines() if re.search(r": (error|warning):", line)]
    return [line.replace(f"{root}/", "") for line in kept] or text.splitlines()[-5:]


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=pathlib.Path, default=tree.REPOSITORY)
    parser.add_argument("--build", default="build/clang")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--paths-analysis", action="store_true", help="clang-analyzer-* too")
    parser.add_argument("paths", nargs="*", help="only sources whose path begins so")
    arguments = parser.parse_args()
    arguments.root = arguments.root.resolve()
    return arguments


def sources_to_check(arguments, commands):
    names = [source for source in sorted(commands) if source.suffix == ".cc"]
    if arguments.paths:
        names = [name for name in names if str(name).startswith(tuple(arguments.paths))]
    return names


def main():
    arguments = parse_arguments()
    root, build = arguments.root, arguments.build
    commands = tree.compile_commands(root, build)
    sources = sources_to_check(arguments, commands)
    cache = root / "build" / "tidy-cache"
    cache.mkdir(parents=True, exist_ok=True)
    version = subprocess.run([CLANG_TIDY, "--version"], capture_output=True, text=True, check=True).stdout
    options = [] if arguments.paths_analysis else ["--checks=-clang-analyzer-*"]
    settings = version + (root / ".clang-tidy").read_text() + " ".join(options)
    stamp, headers = Stamp(root), dependencies(root, build)
    todo = {}
    for source in sources:
        if root / source not in headers:
            sys.exit(f"{source} was not compiled in {build}: run tools/test --only clang first")
        # The compiler's launcher is no part of what is checked.
        command = " ".join(word for word in shlex.split(commands[source][1]) if word != "ccache")
        key = key_of(stamp, settings, command, headers[root / source] + [root / source])
        if not (cache / key).exists():
            todo[source] = key
    print(f"{len(sources)} sources, {len(sources) - len(todo)} unchanged since they passed", flush=True)
    findings, started = [], time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        futures = [pool.submit(check, root, build, options, source) for source in todo]
        for number, future in enumerate(concurrent.futures.as_completed(futures), 1):
            source, passed, text = future.result()
            if passed:
                (cache / todo[source]).write_text(f"{source}\n")
            else:
                findings += short(root, text)
            print(f"{number}/{len(todo)} {time.monotonic() - started:.0f} s {source}: {'ok' if passed else 'FAILED'}",
                  flush=True)
    tree.finish(sorted(set(findings)), len(sources), "sources")


if __name__ == "__main__":
    main()
