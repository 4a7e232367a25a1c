"""Run `headinfo` without installing it: python3 -m probes.headinfo."""

import sys

from probes.cli.main import headinfo

if __name__ == "__main__":
    sys.exit(headinfo())
