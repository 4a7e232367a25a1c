"""Write a launcher for each command of pyproject.toml, as pip would if the base image had it."""

import subprocess
import sys
import tomllib
from pathlib import Path

LAUNCHER = """#!{python}
import sys

from {module} import {function}

sys.exit({function}())
"""

directory = Path(sys.argv[1])
directory.mkdir(parents=True, exist_ok=True)
project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
for name, target in project["scripts"].items():
    module, function = target.split(":")
    launcher = directory / name
    launcher.write_text(LAUNCHER.format(python=sys.executable, module=module, function=function))
    launcher.chmod(0o755)
    # Being run by root, it also leaves the bytecode behind that the image's user cannot write.
    subprocess.run([launcher, "--version"], check=True)
