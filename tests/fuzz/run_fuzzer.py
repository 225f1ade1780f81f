"""A short run of a fuzzer of the data plane: run_fuzzer.py PROGRAM KIND SECONDS ARTIFACTS.

From the seeds in corpus/KIND.hex, in a directory of its own. What it finds stays in ARTIFACTS.
"""

import pathlib
import subprocess
import sys
import tempfile

CORPUS = pathlib.Path(__file__).resolve().parent / "corpus"


def unpack(kind, directory):
    """The seeds as files, as libFuzzer wants them; how many."""
    directory.mkdir()
    lines = (CORPUS / f"{kind}.hex").read_text().split()
    for number, line in enumerate(lines):
        (directory / f"{number:04}").write_bytes(bytes.fromhex(line))
    return len(lines)


def main(program, kind, seconds, artifacts):
    with tempfile.TemporaryDirectory(prefix=f"fairlead-fuzz-{kind}-") as directory:
        seeds = unpack(kind, pathlib.Path(directory) / "seeds")
        # Its own exit code for a finding would tell meson that the test was skipped.
        done = subprocess.run([program, "-seed=1", f"-max_total_time={seconds}", "-max_len=2048",
                               "-print_final_stats=1", "-error_exitcode=1", "-timeout_exitcode=1",
                               f"-artifact_prefix={artifacts}/{kind}-", f"{directory}/seeds"],
                              capture_output=True, text=True, check=False)
        print(done.stderr[-3000:])
        runs = [line for line in done.stderr.splitlines() if line.startswith("stat::number_of_executed_units")]
        executed = int(runs[0].split()[1]) if runs else 0
        print(f"{kind}: {seeds} seeds, {executed} runs, exit {done.returncode}")
        # A fuzzer that does not get beyond its seeds says nothing.
        return done.returncode or (0 if executed > 2 * seeds else 1)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
