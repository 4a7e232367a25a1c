"""Run `probe` without installing it: python3 -m probes."""

import sys

from probes.commands import probe

if __name__ == "__main__":
    sys.exit(probe())
