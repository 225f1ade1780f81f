"""Each linter finds what it is there for: a tree with one violation fails, the repaired one passes."""

import json
import pathlib
import shutil
import subprocess

import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
LINT = REPOSITORY / "tools" / "lint"


def write(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def run(linter, root, *arguments):
    return subprocess.run([LINT / f"{linter}.py", "--root", root, *arguments],
                          capture_output=True, text=True, check=False)


def expect_clean(linter, root, *arguments):
    done = run(linter, root, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr


def expect_finding(linter, root, words, *arguments):
    done = run(linter, root, *arguments)
    assert done.returncode == 1, done.stdout + done.stderr
    assert words in done.stdout


@pytest.mark.parametrize("path, line, words", [
    ("dp/net/parse.h", '#include "dp/flow/flow_table.h"', "dp/net may use dp/base"),
    ("dp/forward/path/select.cc", '#include "dp/engine/worker.h"', "dp/forward may use"),
    ("dp/engine/worker.cc", '#include "conf/schema/config.h"', "dp/engine may use"),
    ("conf/schema/parse.cc", '#include "dp/shm/layout.h"', "conf/schema may use"),
    ("ctl/publish/publish.cc", '#include "dp/engine/worker.h"', "ctl may use"),
    ("bpf/loader/loader.cc", '#include "dp/net/ip_address.h"', "bpf/loader may use"),
    ("bpf/steer.bpf.c", '#include "dp/base/ids.h"', "bpf may use"),
    ("dp/forward/path/select.cc", "#include <rte_mbuf.h>", "DPDK is not for this folder"),
    ("ctl/api/api.cc", "#include <toml++/toml.h>", "toml++ is not for this folder"),
    ("ctl/api/api.cc", "#include <CLI/CLI.hpp>", "CLI11 is not for this folder"),
    ("dp/main.cc", "#include <CLI/CLI.hpp>", "CLI11 is not for this folder"),
    ("ctl/agent/agent.cc", '#include "decap.skel.h"', "skeleton is not for this folder"),
    ("dp/net/parse.cc", '#include "parse.h"', "write includes from the root"),
    ("extra/thing.h", "", "has no rule"),
])
def test_layers_refuses(tmp_path, path, line, words):
    headers = ["dp/base/ids.h", "dp/net/ip_address.h", "dp/shm/layout.h", "dp/flow/flow_table.h",
               "dp/engine/worker.h", "conf/schema/config.h"]
    write(tmp_path, {name: "#pragma once\n" for name in headers})
    write(tmp_path, {path: f"{line}\n"})
    expect_finding("layers", tmp_path, words)


def test_layers_accepts_what_the_design_allows(tmp_path):
    write(tmp_path, {
        "dp/base/ids.h": "#pragma once\n",
        "bpf/abi/flow_hash.h": "#pragma once\n",
        "dp/net/headers.h": '#include "dp/base/ids.h"\n',
        "dp/flow/flow_table.h": '#include "bpf/abi/flow_hash.h"\n#include "dp/net/headers.h"\n',
        "dp/engine/worker.h": '#include <rte_mbuf.h>\n#include "dp/flow/flow_table.h"\n',
        "conf/command_line/command_line.cc": "#include <CLI/CLI.hpp>\n",
        "dp/main.cc": '#include "dp/engine/worker.h"\n#include "conf/schema/config.h"\n',
        "conf/schema/config.h": '#include "dp/net/headers.h"\n',
        "conf/schema/parse.cc": "#include <toml++/toml.h>\n",
        "bpf/loader/loader.cc": '#include "steer.skel.h"\n',
        "tests/unit/dp/engine/worker_test.cc": '#include <rte_mbuf.h>\n#include "dp/engine/worker.h"\n',
    })
    expect_clean("layers", tmp_path)


def test_a_linter_that_looked_at_nothing_fails(tmp_path):
    expect_finding("layers", tmp_path, "nothing to check")


def compile_database(root, source):
    command = f"g++ -std=c++20 -I{root} -Wall -Werror -o x.o -c {root / source}"
    entry = {"directory": str(root), "command": command, "file": str(root / source)}
    write(root, {"build/release/compile_commands.json": json.dumps([entry])})


def test_headers_refuses_one_that_needs_another_before_it(tmp_path):
    write(tmp_path, {"dp/net/a.h": "#pragma once\ninline std::size_t size() { return 1; }\n", "dp/net/a.cc": ""})
    compile_database(tmp_path, "dp/net/a.cc")
    expect_finding("headers", tmp_path, "dp/net/a.h:1: does not compile alone")
    write(tmp_path, {"dp/net/a.h": "#pragma once\n#include <cstddef>\ninline std::size_t size() { return 1; }\n"})
    expect_clean("headers", tmp_path)


def test_headers_refuses_one_without_a_guard(tmp_path):
    write(tmp_path, {"dp/net/a.h": "struct A {};\n", "dp/net/a.cc": ""})
    compile_database(tmp_path, "dp/net/a.cc")
    expect_finding("headers", tmp_path, "dp/net/a.h:1: does not compile alone")


def test_headers_refuses_cpp_in_the_plain_c_contract(tmp_path):
    write(tmp_path, {"bpf/abi/a.h": "#pragma once\nnamespace a {}\n", "bpf/loader/a.cc": ""})
    compile_database(tmp_path, "bpf/loader/a.cc")
    expect_finding("headers", tmp_path, "does not compile alone as C:")


def archives(root, sources, allowed):
    """Four archives such as a release build has, from {archive/object: C++ text}."""
    write(root, {"tools/lint/symbols_allowed.txt": allowed})
    for name in ("net", "shm", "flow", "forward"):
        folder = root / "build" / "release" / "dp" / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        objects = []
        for path, text in sources.items():
            if path.startswith(f"{name}/"):
                target = folder / (path.split("/")[1] + ".o")
                subprocess.run(["g++", "-std=c++20", "-O1", "-fno-exceptions", "-x", "c++", "-c", "-", "-o", target],
                               input=text, text=True, check=True)
                objects.append(target)
        subprocess.run(["ar", "rcsT", folder / f"lib{name}.a", *objects], check=True)


PURE = {
    "net/parse.cc": "int parse(int x) { return x + 1; }",
    "shm/layout.cc": "int layout() { return 1; }",
    "flow/table.cc": "int parse(int); int table() { return parse(1); }",
    "forward/select.cc": "int table(); int select() { return table(); }",
}


def test_symbols_accepts_calls_within_the_packet_path(tmp_path):
    archives(tmp_path, PURE, "")
    expect_clean("symbols", tmp_path)


@pytest.mark.parametrize("text, words", [
    ("#include <cstdlib>\nvoid* f() { return std::malloc(8); }", "malloc (allocates)"),
    ("int* f() { return new int[100]; }", "(allocates)"),
    ("#include <pthread.h>\nint f(pthread_mutex_t* m) { return pthread_mutex_lock(m); }", "(locks)"),
    ("#include <ctime>\nint f(timespec* t) { return clock_gettime(CLOCK_MONOTONIC, t); }", "(reads a clock)"),
    ("#include <cstdio>\nvoid f() { std::puts(\"x\"); }", "puts"),
    ("#include <vector>\nint f(std::vector<int>& v) { return v.at(9); }", "(throws)"),
])
def test_symbols_refuses(tmp_path, text, words):
    archives(tmp_path, PURE | {"flow/bad.cc": text}, "")
    expect_finding("symbols", tmp_path, words)
    expect_finding("symbols", tmp_path, "dp/flow/bad.cc:1")


def test_symbols_of_an_exempt_object_may_not_be_reached_from_the_packet_path(tmp_path):
    opening = {"shm/segment.cc": "#include <cstdlib>\nvoid* open_it() { return std::malloc(8); }"}
    rule = "exempt libshm segment.cc # opens files\n"
    archives(tmp_path, PURE | opening, rule)
    expect_clean("symbols", tmp_path)
    caller = {"forward/bad.cc": "void* open_it(); void* g() { return open_it(); }"}
    archives(tmp_path, PURE | opening | caller, rule)
    expect_finding("symbols", tmp_path, "defined in segment.cc, which is exempt")


def test_symbols_refuses_an_exemption_that_nothing_needs_and_one_without_a_reason(tmp_path):
    archives(tmp_path, PURE, "exempt libshm gone.cc # once needed\n")
    expect_finding("symbols", tmp_path, "delete the line")
    archives(tmp_path, PURE, "exempt libshm layout.cc\n")
    assert "without its reason" in run("symbols", tmp_path).stderr


def test_symbols_refuses_a_build_without_the_archives(tmp_path):
    archives(tmp_path, PURE, "")
    shutil.rmtree(tmp_path / "build" / "release" / "dp" / "forward")
    expect_finding("symbols", tmp_path, "libforward.a is missing")


def test_formatting_refuses_and_repairs(tmp_path):
    shutil.copy(REPOSITORY / ".clang-format", tmp_path)
    write(tmp_path, {"dp/net/a.h": "#pragma once\nint  f( int a );\n"})
    expect_finding("formatting", tmp_path, "dp/net/a.h:2: not formatted")
    expect_clean("formatting", tmp_path, "--fix")
    expect_clean("formatting", tmp_path)


def test_suppressions_counts_both_ways(tmp_path):
    count = pathlib.Path("tools/lint/suppressions.txt")
    silenced = "int a = 1;  // NO" + "LINT(x): reason\n"
    write(tmp_path, {"dp/net/a.cc": silenced, count: "dp/net 1\n"})
    expect_clean("suppressions", tmp_path)
    write(tmp_path, {"dp/net/a.cc": silenced * 2})
    expect_finding("suppressions", tmp_path, "dp/net/a.cc:2")
    write(tmp_path, {"dp/net/a.cc": "int a = 1;\n"})
    expect_finding("suppressions", tmp_path, "dp/net: 0 suppressions")
    expect_clean("suppressions", tmp_path, "--update")


def project_top(root):
    write(root, {name: "" for name in ("meson.build", "README.md", "LICENSE")})
    write(root, {f"{name}/meson.build": "" for name in ("dp", "ctl", "bpf", "conf", "tests", "tools", "findings")})


@pytest.mark.parametrize("files, words", [
    ({"dp/net/a.cc": "//\n" * 601}, "601 lines, at most 600"),
    ({"docs/a.md": "x"}, "docs:1: does not belong at the top"),
    ({"dp/net/misc.cc": ""}, "name the file after its one decision"),
    ({"tests/a.py": "x" * 121}, "longer than 120 columns"),
])
def test_style_refuses(tmp_path, files, words):
    project_top(tmp_path)
    expect_clean("style", tmp_path)
    write(tmp_path, files)
    expect_finding("style", tmp_path, words)


def test_style_refuses_a_missing_top_level_name(tmp_path):
    project_top(tmp_path)
    shutil.rmtree(tmp_path / "conf")
    expect_finding("style", tmp_path, "conf:1: is missing at the top")


def test_clang_tidy_refuses_remembers_only_what_passed_and_looks_again_after_a_change(tmp_path):
    shutil.copy(REPOSITORY / ".clang-tidy", tmp_path)
    write(tmp_path, {
        "meson.build": "project('t', 'cpp', default_options: ['cpp_std=c++20'])\n"
                       "static_library('t', 'dp/a.cc', include_directories: include_directories('.'))\n",
        "dp/a.h": "#pragma once\nint twice(int value);\n",
        "dp/a.cc": '#include "dp/a.h"\nint twice(int value) { return 2 * value; }\n',
    })
    environment = {"PATH": "/usr/bin:/bin", "CXX": "clang++-14"}
    subprocess.run(["meson", "setup", "build/clang"], cwd=tmp_path, env=environment, check=True, capture_output=True)

    def build():
        subprocess.run(["ninja", "-C", "build/clang"], cwd=tmp_path, check=True, capture_output=True)

    build()
    expect_clean("tidy", tmp_path)
    assert "1 sources, 1 unchanged" in run("tidy", tmp_path).stdout
    write(tmp_path, {"dp/a.h": "#pragma once\nint twice(int value);\ninline int BadName() { return 1; }\n"})
    build()
    for _ in range(2):
        expect_finding("tidy", tmp_path, "readability-identifier-naming")


def test_clang_tidy_finds_what_a_source_with_a_precompiled_header_includes(tmp_path):
    shutil.copy(REPOSITORY / ".clang-tidy", tmp_path)
    write(tmp_path, {
        "meson.build": "project('t', 'cpp', default_options: ['cpp_std=c++20'])\n"
                       "static_library('t', 'dp/a.cc', include_directories: include_directories('.'),\n"
                       "               cpp_pch: 'pch/all.h')\n",
        "pch/all.h": '#include "dp/a.h"\n',
        "dp/a.h": "#pragma once\nint twice(int value);\n",
        "dp/a.cc": '#include "dp/a.h"\nint twice(int value) { return 2 * value; }\n',
    })
    environment = {"PATH": "/usr/bin:/bin", "CXX": "clang++-14"}
    subprocess.run(["meson", "setup", "build/clang"], cwd=tmp_path, env=environment, check=True, capture_output=True)
    subprocess.run(["ninja", "-C", "build/clang"], cwd=tmp_path, check=True, capture_output=True)
    expect_clean("tidy", tmp_path)
