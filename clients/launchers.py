"""Install this directory: a launcher for each command of pyproject.toml, and modes for all users.

    python3.13 launchers.py DIRECTORY

pip would do it, if the base image had pip.
"""

import subprocess
import sys
import tomllib
from pathlib import Path

LAUNCHER = """#!{python}
import sys

from {module} import {function}

sys.exit({function}())
"""

# The build context has the modes that the umask of its checkout left, such as 600.
for path in (Path(), *Path().rglob("*")):
    if not path.is_symlink():
        mode = path.stat().st_mode
        path.chmod(mode | (mode & 0o500) >> 3 | (mode & 0o500) >> 6)  # chmod a+rX

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
