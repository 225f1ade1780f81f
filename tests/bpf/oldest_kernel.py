"""The BPF programs in the oldest kernel that Fairlead supports, Debian 12's own, which qemu boots for it.

    oldest_kernel.py [--build DIRECTORY] [--kernel VMLINUZ] [--junit FILE]

The verifier of an older kernel may refuse what a newer one takes. The guest runs tests/bpf's own programs from an
initial RAM disk made of this system's files: the tests of steering and of the MSS clamp, and every request that
test_decap.py and test_steer.py make of decap_runner and steer_runner, whose answers must be those that they give here.
Needs root, qemu-system-x86 and, if no kernel is named, the archive, from which the package's files are unpacked and not
installed. Exit 0 if all passed.
"""

import argparse
import os
import pathlib
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from xml.etree import ElementTree

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
RUNNERS = ["decap_runner", "steer_runner"]
PROGRAMS = ["bpf_steer_test", "bpf_clamp_test", *RUNNERS]
BOOT_TIMEOUT_S = 300
INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmpfs /tmp
mount -t bpf bpf /sys/fs/bpf
ifconfig lo up
echo "kernel: $(uname -r)"
for test in bpf_steer_test bpf_clamp_test; do
    if $test >/tmp/log 2>&1; then echo "result: $test passed"; else cat /tmp/log; echo "result: $test FAILED"; fi
done
for request in /requests/*.in; do
    name=$(basename $request .in)
    ${name%.*} <$request >/tmp/answer 2>/tmp/log
    if cmp /tmp/answer /requests/$name.out; then echo "result: $name passed"
    else tail -n 5 /tmp/log; echo "result: $name FAILED"; fi
done
echo "result: end"
poweroff -f
"""
# Stands in for a runner while its tests run: keeps what was asked and what was answered.
RECORDER = """#!/bin/bash
name=$(mktemp -u {requests}/{name}.XXXXXXXX)
tee "$name.in" | {runner} "$@" | tee "$name.out"
exit "${{PIPESTATUS[1]}}"
"""


def unpacked_kernel(directory):
    """The vmlinuz of linux-image-amd64, without installing it."""
    depends = subprocess.run(["apt-cache", "depends", "linux-image-amd64"], capture_output=True, text=True, check=True)
    package = re.search(r"Depends: (linux-image-\S+)", depends.stdout).group(1)
    subprocess.run(["apt-get", "download", "-qq", package], cwd=directory, check=True, stderr=subprocess.DEVNULL)
    archive = next(directory.glob("linux-image-*.deb"))
    subprocess.run(["dpkg-deb", "-x", archive, directory / "kernel"], check=True)
    return next((directory / "kernel" / "boot").glob("vmlinuz-*"))


def recorded_requests(build, directory):
    """What the tests ask the runners, with the answers of this kernel: {runner}.{some word}.in and .out."""
    requests, stand_in = directory / "requests", directory / "build" / "tests" / "bpf"
    requests.mkdir()
    stand_in.mkdir(parents=True)
    for name in RUNNERS:
        recorder = stand_in / name
        recorder.write_text(RECORDER.format(name=name, requests=requests, runner=build / "tests" / "bpf" / name))
        recorder.chmod(0o755)
    subprocess.run([sys.executable, "-B", "-m", "pytest", "-q", "--no-header", REPOSITORY / "tests/bpf"],
                   env=os.environ | {"FAIRLEAD_BUILD": str(directory / "build")}, check=True)
    return requests


def libraries_of(program):
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    return set(re.findall(r"(/\S+) \(0x", listed))


def make_root(root, build, requests):
    shutil.copytree(requests, root / "requests")
    programs = [build / "tests" / "bpf" / name for name in PROGRAMS] + [pathlib.Path(shutil.which("busybox"))]
    for directory in ("bin", "proc", "sys", "dev", "tmp"):
        (root / directory).mkdir(parents=True)
    for program in programs:
        shutil.copy(program, root / "bin")
    for library in set().union(*map(libraries_of, programs)):
        (root / library[1:]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, root / library[1:])
    (root / "init").write_text(INIT)
    (root / "init").chmod(0o755)


def write_cpio(root, path):
    """The "newc" format, as Documentation/driver-api/early-userspace/buffer-format.rst of Linux tells."""
    names = [""] + sorted(str(p.relative_to(root)) for p in root.rglob("*"))
    with open(path, "wb") as out:
        for number, name in enumerate([*names[1:], "TRAILER!!!"], 1):
            mode, data = 0, b""
            if name != "TRAILER!!!":
                mode = (root / name).lstat().st_mode
                data = (root / name).read_bytes() if stat.S_ISREG(mode) else b""
            text = name.encode() + b"\0"
            fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(text), 0)
            header = b"070701" + b"".join(b"%08x" % field for field in fields) + text
            out.write(header + b"\0" * (-len(header) % 4) + data + b"\0" * (-len(data) % 4))


def boot(kernel, ram_disk):
    """What the guest said on its console."""
    command = ["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-m", "1024", "-nographic", "-no-reboot",
               "-nic", "none", "-kernel", kernel, "-initrd", ram_disk, "-append", "console=ttyS0 quiet panic=-1"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
                          timeout=BOOT_TIMEOUT_S, check=False)
    return done.stdout + done.stderr


def write_junit(path, results, is_good):
    suite = ElementTree.Element("testsuite", name="oldest_kernel")
    outcomes = {result.rpartition(" ")[0]: result.endswith(" passed") for result in results if result != "end"}
    for name, has_passed in (outcomes | {"every program ran": is_good}).items():
        case = ElementTree.SubElement(suite, "testcase", classname="bpf.oldest_kernel", name=name)
        if not has_passed:
            ElementTree.SubElement(case, "failure", message="see the guest's console in the log")
    ElementTree.ElementTree(suite).write(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=REPOSITORY / "build" / "release")
    parser.add_argument("--kernel", type=pathlib.Path)
    parser.add_argument("--junit", type=pathlib.Path, help="a file for the results, as pytest writes them")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fairlead-kernel-") as name:
        directory = pathlib.Path(name)
        kernel = arguments.kernel or unpacked_kernel(directory)
        requests = recorded_requests(arguments.build.resolve(), directory)
        make_root(directory / "root", arguments.build.resolve(), requests)
        write_cpio(directory / "root", directory / "initrd")
        wanted = 2 + len(list(requests.glob("*.in")))
        said = boot(kernel, directory / "initrd")
    results = re.findall(r"^result: (.*?)\r?$", said, re.MULTILINE)
    passed = [result for result in results if result.endswith(" passed")]
    is_good = "end" in results and wanted > 2 and len(passed) == wanted
    if not is_good:
        print(said)
    version = re.search(r"kernel: (\d\S+)", said)
    if arguments.junit:
        write_junit(arguments.junit, results, is_good)
    print(f"oldest kernel {version.group(1) if version else '?'}: {len(passed)} of {wanted} passed")
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
