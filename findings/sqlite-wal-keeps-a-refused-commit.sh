#!/usr/bin/env bash
# SQLite 3.40, write-ahead log: a COMMIT that failed in its fdatasync() with "disk I/O error" is made after all, if the
# process dies before it writes again.
#
# Behaviour: with journal_mode = WAL and synchronous = FULL a COMMIT writes its frames, the last with the commit mark, and
# then syncs the log. If that sync fails, the statement fails, and the connection behaves as if it was rolled back; the
# frames stay in the log until the next write goes over them. Whoever opens the database after the process has died replays
# the log, finds a whole transaction with right checksums, and the refused row is there. With a rollback journal
# (journal_mode = DELETE) the same failure leaves the old state, also after a kill, since the journal is still hot. A
# program that answers "refused" and means it, also after its own crash, cannot use WAL without undoing what failed.
#
# The failure is made by strace, which has the first fdatasync() after it is attached return EIO.
# Needs root. Exit 0: the behaviour is as described; 1: it has changed.
set -euo pipefail
readonly packages=(libsqlite3-0=3.40.1-2+deb12u2 libpython3.11-stdlib libpython3.11-minimal python3.11-minimal strace=6.1-0.1
  libunwind8 libdw1 libelf1)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

cd "$dir"
for package in "${packages[@]}"; do
  apt-get download -qq -o APT::Sandbox::User=root "$package" >/dev/null
done
for file in *.deb; do dpkg -x "$file" .; done
export LD_LIBRARY_PATH=$dir/usr/lib/x86_64-linux-gnu:$dir/lib/x86_64-linux-gnu
export PYTHONHOME=$dir/usr
python=$dir/usr/bin/python3.11
"$python" -c 'import sqlite3; print("SQLite", sqlite3.sqlite_version)'
"$dir/usr/bin/strace" -V | head -n 1

cat >write.py <<'PYTHON'
"""write.py MODE: a row, a pause, and another row, of which it says how its COMMIT ended; then the process is killed."""
import os, signal, sqlite3, sys
database = sqlite3.connect("t.db", isolation_level=None)
database.execute(f"PRAGMA journal_mode = {sys.argv[1]}")
database.execute("PRAGMA synchronous = FULL")
database.execute("CREATE TABLE t (x)")
database.execute("INSERT INTO t VALUES ('first')")
print("ready", flush=True)
sys.stdin.readline()
try:
    database.execute("INSERT INTO t VALUES ('second')")
    print("the second COMMIT was made", flush=True)
except sqlite3.OperationalError as error:
    print("the second COMMIT failed:", error, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
PYTHON
cat >run.py <<'PYTHON'
"""run.py STRACE MODE: what the writer said, and the rows that are there when the database is opened again."""
import os, sqlite3, subprocess, sys
for name in ("t.db", "t.db-wal", "t.db-shm", "t.db-journal"):
    if os.path.exists(name):
        os.remove(name)
writer = subprocess.Popen([sys.executable, "-B", "write.py", sys.argv[2]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
writer.stdout.readline()
strace = subprocess.Popen([sys.argv[1], "-o", "/dev/null", "-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO:when=1",
                           "-p", str(writer.pid)], stderr=subprocess.PIPE, text=True)
while "attached" not in strace.stderr.readline():
    pass
said, _ = writer.communicate("go on\n")
strace.wait()
rows = [row[0] for row in sqlite3.connect("t.db").execute("SELECT x FROM t")]
print(f"{sys.argv[2]}: {said.strip()}; after a kill and a new open: {', '.join(rows)}")
sys.exit(0 if "failed" in said and rows == (["first", "second"] if sys.argv[2] == "WAL" else ["first"]) else 1)
PYTHON
for mode in WAL DELETE; do
  if ! "$python" -B run.py "$dir/usr/bin/strace" "$mode"; then
    printf 'changed: a failed COMMIT leaves something else behind\n'
    exit 1
  fi
done
printf 'as described: what was refused is there with a write-ahead log, and is not with a rollback journal\n'
