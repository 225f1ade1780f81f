#!/usr/bin/env bash
# Linux 6.x, AF_XDP: a killed process is not gone before each of its AF_XDP sockets has waited for a grace period of its own,
# one after the other; the time grows with the number of queues.
#
# Behaviour: closing an AF_XDP socket takes it off its queue and waits until no receive path uses it any more
# (synchronize_net()). A process that is killed closes its sockets in turn, so that with 16 queues it takes some 16 times as
# long as with one: here 10 to 16 ms a socket. The memory is unmapped before that. In all this time the sockets that
# wait their turn are still in their XSKMAP, packets are redirected to them and lost, and whoever binds such a queue gets
# EBUSY. "A socket leaves the map when its process dies" is true only at the end of it. An orderly end can delete the
# map's elements first; a steering program that must not lose packets after a kill needs another sign of life.
#
# Needs root and python3; makes and removes a network namespace. Exit 0: the behaviour is as described; 1: it has changed.
set -euo pipefail
readonly packages=(iproute2=6.1.0-3 libbpf1 libbsd0 libmd0 libcap2 libelf1 libmnl0 libxtables12 libtirpc3 libdb5.3)
dir=$(mktemp -d)
space=finding-$$
trap 'ip netns delete "$space" 2>/dev/null || true; rm -rf "$dir"' EXIT

cd "$dir"
for package in "${packages[@]}"; do
  apt-get download -qq -o APT::Sandbox::User=root "$package" >/dev/null
done
for file in *.deb; do dpkg -x "$file" .; done
export LD_LIBRARY_PATH=$dir/lib/x86_64-linux-gnu:$dir/usr/lib/x86_64-linux-gnu
ip=$dir/bin/ip
[[ -x $ip ]] || ip=$dir/usr/bin/ip
"$ip" -V
uname -r

cat >hold.py <<'PYTHON'
"""hold.py DEVICE COUNT: an AF_XDP socket on each of the first COUNT queues, and waits."""
import ctypes, mmap, os, socket, struct, sys, time
AF_XDP, SOL_XDP, UMEM_REG, RINGS, PAGES, COPY = 44, 283, 4, (2, 3, 5, 6), 64, 1 << 1
libc = ctypes.CDLL(None, use_errno=True)
kept = []
for queue in range(int(sys.argv[2])):
    opened = socket.socket(AF_XDP, socket.SOCK_RAW, 0)
    area = mmap.mmap(-1, 4096 * PAGES)
    start = ctypes.addressof(ctypes.c_char.from_buffer(area))
    opened.setsockopt(SOL_XDP, UMEM_REG, struct.pack("<QQIII4x", start, 4096 * PAGES, 4096, 0, 0))
    for ring in RINGS:
        opened.setsockopt(SOL_XDP, ring, struct.pack("<I", PAGES))
    address = struct.pack("<HHIII", AF_XDP, COPY, socket.if_nametoindex(sys.argv[1]), queue, 0)
    if libc.bind(opened.fileno(), address, len(address)) != 0:
        sys.exit(f"bind of queue {queue}: {os.strerror(ctypes.get_errno())}")
    kept.append((opened, area))
print("ready", flush=True)
time.sleep(60)
PYTHON
cat >kill.py <<'PYTHON'
"""How long a killed process with 1, 4 and 16 sockets lives on; the median of five."""
import statistics, subprocess, sys, time
def dies_after(count):
    process = subprocess.Popen([sys.executable, "-B", "hold.py", "near", str(count)], stdout=subprocess.PIPE, text=True)
    if process.stdout.readline() != "ready\n":
        sys.exit(f"no {count} sockets")
    killed = time.monotonic()
    process.kill()
    process.wait()
    return time.monotonic() - killed
times = {count: statistics.median(dies_after(count) for _ in range(5)) for count in (1, 4, 16)}
print(", ".join(f"{count} sockets: gone after {1e3 * took:.0f} ms" for count, took in times.items()))
sys.exit(0 if times[1] < times[4] / 2 < times[16] / 4 else 1)
PYTHON
ip netns add "$space"
inside() { nsenter --net="/run/netns/$space" "$@"; }
inside "$ip" link add near numrxqueues 16 numtxqueues 16 type veth peer name far numrxqueues 16 numtxqueues 16
inside "$ip" link set near up
inside "$ip" link set far up
if inside python3 -B kill.py; then
  printf 'as described: a grace period a socket, one after the other\n'
  exit 0
fi
printf 'changed: the time does not grow with the number of sockets\n'
exit 1
