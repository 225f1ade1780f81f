"""What a lab leaves in the machine, and how it goes away, also when its maker was killed.

A lab keeps everything below /run/fairlead-lab/ID and names its namespaces fl-ID-..., so that any later
process can find it: the processes are those in these namespaces (and those that the lab noted as its
own, by pid and start time), the mounts those below the directory.
"""

import json
import os
import pathlib
import shutil
import signal
import subprocess

from support.host import LabError, wait_until

LABS = pathlib.Path("/run/fairlead-lab")


def namespaces(lab_id):
    listing = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=False).stdout
    return [line.split()[0] for line in listing.splitlines() if line.startswith(f"fl-{lab_id}-")]


def start_time(pid):
    """When the kernel started this process, in clock ticks since boot; None if there is none."""
    try:
        return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19])
    except (OSError, IndexError):
        return None


def note_process(directory, pid):
    """Notes a process outside the namespaces as the lab's own."""
    with open(directory / "pids.jsonl", "a", encoding="utf-8") as out:
        out.write(json.dumps({"pid": pid, "start": start_time(pid)}) + "\n")


def noted_processes(directory):
    try:
        records = [json.loads(line) for line in (directory / "pids.jsonl").read_text().splitlines()]
    except FileNotFoundError:
        return []
    return [r["pid"] for r in records if r["start"] is not None and start_time(r["pid"]) == r["start"]]


def processes(lab_id):
    found = set(noted_processes(LABS / lab_id))
    for namespace in namespaces(lab_id):
        listing = subprocess.run(["ip", "netns", "pids", namespace], capture_output=True, text=True, check=False)
        found.update(int(word) for word in listing.stdout.split())
    found.discard(os.getpid())
    return sorted(found)


def mounts(directory):
    """Mount points below directory, innermost first."""
    lines = pathlib.Path("/proc/self/mountinfo").read_text().splitlines()
    below = [line.split()[4] for line in lines if line.split()[4].startswith(f"{directory}/")]
    return sorted(below, key=len, reverse=True)


def kill_all(lab_id, sig):
    for pid in processes(lab_id):
        try:
            os.kill(pid, sig)
        except ProcessLookupError:
            pass


def sweep(lab_id):
    """Ends and removes everything of one lab. Safe to repeat; LabError if something stays."""
    kill_all(lab_id, signal.SIGTERM)
    try:
        wait_until("processes end", lambda: not running(lab_id), timeout_s=3.0)
    except LabError:
        kill_all(lab_id, signal.SIGKILL)
        wait_until(f"processes {processes(lab_id)} of lab {lab_id} end", lambda: not running(lab_id))
    for namespace in namespaces(lab_id):
        subprocess.run(["ip", "netns", "delete", namespace], capture_output=True, check=False)
    directory = LABS / lab_id
    for mount in mounts(directory):
        subprocess.run(["umount", "-l", mount], capture_output=True, check=False)
    if mounts(directory):
        raise LabError(f"still mounted: {mounts(directory)}")
    shutil.rmtree(directory, ignore_errors=True)
    if namespaces(lab_id) or directory.exists():
        raise LabError(f"lab {lab_id} is not gone: {namespaces(lab_id)} {directory}")
    try:
        LABS.rmdir()
    except OSError:
        pass  # another lab is there


def running(lab_id):
    """Processes that still run; a zombie waits only for its parent."""
    return [pid for pid in processes(lab_id) if _state(pid) not in ("Z", "X", None)]


def _state(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (OSError, IndexError):
        return None


def all_labs():
    """Identifiers of the labs on this machine, whoever made them."""
    listing = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=False).stdout
    found = {line.split()[0].split("-")[1] for line in listing.splitlines() if line.startswith("fl-")}
    if LABS.exists():
        found.update(entry.name for entry in LABS.iterdir())
    return sorted(found)
