#!/usr/bin/env bash
# iproute2 6.1.0 (Debian 12): a neighbor that the kernel keeps resolved by itself ("managed") silently stops being so when
# anybody sets its state or address with `ip neigh replace`.
#
# Behaviour: `ip neigh add ADDRESS dev DEV managed` makes an entry that the kernel asks for again and again (NTF_EXT_MANAGED).
# `ip neigh replace ADDRESS dev DEV lladdr MAC nud stale` on the same entry, which says nothing of "managed", takes the flag
# away: the request's flags are the entry's flags afterwards. From then on the kernel asks only when its own packets use
# the entry; a program whose packets pass the kernel by (DPDK, AF_XDP) goes on with whatever MAC address was written.
# Whoever relies on managed entries has to listen for changes and set the flag again.
#
# Needs root; makes and removes a network namespace. Exit 0: the behaviour is as described; 1: it has changed.
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

ip netns add "$space"
inside() { nsenter --net="/run/netns/$space" "$ip" "$@"; }
inside link add near type veth peer name far
inside link set near up
inside addr add 192.0.2.1/24 dev near
inside neigh add 192.0.2.2 dev near managed
before=$(inside neigh show 192.0.2.2)
inside neigh replace 192.0.2.2 dev near lladdr 02:00:00:00:00:02 nud stale
after=$(inside neigh show 192.0.2.2)
printf 'added as managed:  %s\nafter a replace:   %s\n' "$before" "$after"
if [[ $before == *managed* && $after != *managed* ]]; then
  printf 'as described: the replace has ended "managed" without a word\n'
  exit 0
fi
printf 'CHANGED\n'
exit 1
