#!/usr/bin/env bash
# iproute2 6.1.0 (Debian 12): `ip link set DEV xdp off` does not take off an XDP program that hangs on a BPF link, and what it
# says names neither the link nor what would help.
#
# Behaviour: a program attached by BPF_LINK_CREATE (libbpf's bpf_program__attach_xdp(), and so most programs of today) stands
# in `ip link show` like one that `ip link set DEV xdp obj ...` attached, as "prog/xdp id N". But `xdp off` is answered by
# "Error: Can't replace active BPF XDP link." and exit 2, and the program stays. It goes with its link alone: when whoever
# holds the link closes it and no pin is left, or by `bpftool link detach`. The usual advice "take it off: ip link set DEV
# xdp off" is wrong for it; ask `bpftool link` first.
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

cat >attach.py <<'PYTHON'
"""Attaches "return XDP_PASS" to an interface by a BPF link, runs `ip link set DEV xdp off`, and looks again."""
import ctypes, os, socket, struct, subprocess, sys
ip, device = sys.argv[1:]
libc = ctypes.CDLL(None, use_errno=True)
def bpf(command, attributes):
    buffer = ctypes.create_string_buffer(attributes.ljust(128, b"\0"))
    result = libc.syscall(321, command, buffer, 128)
    if result < 0:
        sys.exit(f"bpf({command}): {os.strerror(ctypes.get_errno())}")
    return result
code = ctypes.create_string_buffer(struct.pack("<BBhi", 0xB7, 0, 0, 2) + struct.pack("<BBhi", 0x95, 0, 0, 0))
text = ctypes.create_string_buffer(b"GPL")
program = bpf(5, struct.pack("<IIQQ", 6, 2, ctypes.addressof(code), ctypes.addressof(text)))
link = bpf(28, struct.pack("<IIII", program, socket.if_nametoindex(device), 37, 0))
def shown():
    return "prog/xdp" in subprocess.run([ip, "link", "show", device], capture_output=True, text=True, check=True).stdout
before = shown()
off = subprocess.run([ip, "link", "set", device, "xdp", "off"], capture_output=True, text=True, check=False)
after = shown()
print(f"attached: {before}; `xdp off`: exit {off.returncode}, {off.stderr.strip()!r}; still attached: {after}")
os.close(link)
print(f"after the link was closed: attached {shown()}")
sys.exit(0 if before and after and off.returncode == 2 and not shown() else 1)
PYTHON
ip netns add "$space"
inside() { nsenter --net="/run/netns/$space" "$@"; }
inside "$ip" link add near type veth peer name far
inside "$ip" link set near up
if inside python3 -B attach.py "$ip" near; then
  printf 'as described: the program goes with its link alone\n'
  exit 0
fi
printf 'CHANGED\n'
exit 1
