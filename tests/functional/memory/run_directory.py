"""Run directories that are small, or are being filled up by somebody."""

import os


def limit(balancer, size):
    """Puts the balancer's run directory on a tmpfs of its own; the lab unmounts it."""
    balancer.run("mount", "-t", "tmpfs", "-o", f"size={size}", "fairlead-test", balancer.run_dir)


def fill(balancer):
    """Takes all memory that is left, but for less than a page, and returns the file that does."""
    path = balancer.run_dir / "somebodys-file"
    with open(path, "wb", buffering=0) as out:
        for size in (1 << 20, 4096):
            try:
                while True:
                    out.write(bytes(size))
            except OSError:
                pass
    assert free_bytes(balancer) < 4096
    return path


def free_bytes(balancer):
    facts = os.statvfs(balancer.run_dir)
    return facts.f_bavail * facts.f_frsize
