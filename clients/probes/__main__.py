"""Run `probe` without installing it: python3 -m probes."""

import sys

from probes.cli.main import probe

if __name__ == "__main__":
    sys.exit(probe())
