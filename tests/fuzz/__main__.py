"""Fuzz one reader after the other, so many seconds each: `-m fuzz SECONDS`."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from tempfile import TemporaryDirectory

READERS = ("address", "head", "daytime")
# One input may take this long; the readers take about a millisecond.
SLOWEST_S = 10


def run(reader: str, seconds: int) -> bool:
    """Fuzz in a process of its own and say in a line how much; whether nothing was found."""
    with TemporaryDirectory() as corpus:
        options = [f"-max_total_time={seconds}", f"-timeout={SLOWEST_S}", "-print_final_stats=1"]
        # The input of a finding is in the report, so its file may go with the corpus.
        command = [sys.executable, "-m", "fuzz.readers", reader, corpus, *options]
        command.append(f"-artifact_prefix={corpus}/")
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    executions = re.search(r"number_of_executed_units: (\d+)", done.stderr)
    if done.returncode or not executions:
        print(f"{done.stdout}{done.stderr}\n{reader}: a finding", flush=True)
        return False
    print(f"{reader}: {int(executions[1]):,} executions in {seconds} s, no finding", flush=True)
    return True


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="fuzz", description="Fuzz the client tools' readers.")
    parser.add_argument("seconds", metavar="SECONDS", type=int, help="for each reader")
    seconds = parser.parse_args().seconds
    sys.exit(not all(run(reader, seconds) for reader in READERS))
