#!/usr/bin/python3
"""Each header compiles alone, with the flags of the sources beside it, and twice in a row.

Flags come from the build directory's compile_commands.json (--build, default build/release). A header of
bpf/abi has to compile as C too, and one of bpf/include by clang for the BPF target.
"""

import concurrent.futures
import os
import shlex
import subprocess

import tree

BPF = ["clang-14", "-target", "bpf", "-g", "-O2", "-Wall", "-Werror", "-idirafter", "/usr/include/x86_64-linux-gnu"]


def flags_only(command):
    """A compile command without its input, output, dependency files and precompiled header, ready for -fsyntax-only."""
    words = shlex.split(command)
    if os.path.basename(words[0]) == "ccache":
        words = words[1:]
    kept, skip = [], False
    for word in words:
        if skip:
            skip = False
        elif word in ("-o", "-MF", "-MQ", "-MT", "-include", "-include-pch"):
            skip = True
        elif word not in ("-c", "-MD", "-fdiagnostics-color=always") and not word.endswith((".cc", ".c", ".cpp")):
            kept.append(word)
    return kept


def nearest_command(path, commands):
    """The command of a source in the header's own folder, else of the test of that folder, else of any."""
    folder = path.parent
    while True:
        for candidate in (folder, "tests/unit" / folder, "tests/packet" / folder):
            for source in sorted(commands):
                if source.suffix == ".cc" and source.is_relative_to(candidate):
                    return commands[source]
        if str(folder) in (".", ""):
            return None
        folder = folder.parent


def jobs_for(root, path, commands):
    """(what, directory, command line) for each way in which this header has to compile."""
    name = str(path)
    if name.startswith("bpf/include/"):
        return [("BPF", root, BPF + ["-I", str(root), "-fsyntax-only", "-x", "c", "-"])]
    found = nearest_command(path, commands)
    if found is None:
        return []
    directory, command = found
    jobs = [("C++", directory, flags_only(command) + ["-I", str(root), "-fsyntax-only", "-x", "c++", "-"])]
    if name.startswith("bpf/abi/"):
        strict_c = ["gcc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-I", str(root), "-fsyntax-only", "-x", "c", "-"]
        jobs.append(("C", directory, strict_c))
        jobs.append(("BPF", root, BPF + ["-I", str(root), "-fsyntax-only", "-x", "c", "-"]))
    return jobs


def compile_header(root, path, job):
    what, directory, command = job
    text = f'#include "{path}"\n' * 2
    done = subprocess.run(command, cwd=directory, input=text, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return None
    errors = [line for line in done.stderr.splitlines() if "error" in line] or done.stderr.splitlines()
    return f"{path}:1: does not compile alone as {what}: " + " | ".join(errors[:3])


def main():
    arguments = tree.parse_arguments(__doc__, ("--build", {"default": "build/release"}))
    root = arguments.root
    commands = tree.compile_commands(root, arguments.build)
    headers = [path for path in tree.files(root, (".h",)) if not str(path).endswith(".bpf.h")]
    findings = []
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        futures = []
        for path in headers:
            jobs = jobs_for(root, path, commands)
            if not jobs:
                findings.append(f"{path}:1: no source was compiled whose flags could be used")
            futures += [pool.submit(compile_header, root, path, job) for job in jobs]
        findings += [future.result() for future in futures if future.result()]
    tree.finish(findings, len(headers), "headers")


if __name__ == "__main__":
    main()
