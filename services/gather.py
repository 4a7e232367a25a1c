"""Gather the root of a service image: the service, CPython and the little it needs of a system.

    python3.13 gather.py SERVICE ROOT

What is needed is asked of the interpreter, file by file, and keeps its path, so that any
CPython on glibc will do as a base: Debian's in /usr as well as Docker's in /usr/local.
"""

import os
import py_compile
import struct
import subprocess
import sys
import zoneinfo
from importlib.util import cache_from_source
from pathlib import Path
from shutil import copy2

# What is imported only when it comes to be needed, by the standard library but for the first.
LATE = (
    "difflib",  # a setting that is not known
    *("encodings.ascii", "encodings.latin_1", "encodings.unicode_escape"),  # codecs, by name
    "encodings.idna",  # a host name given as str to a socket
    "importlib.resources",  # a time zone that is not known, or no database of them
    "locale",  # the messages of argparse, where LANG is set
    "runpy",  # python -m
    "shutil",  # the help of argparse
    "tokenize",  # the source lines in a traceback
    "traceback",  # an uncaught exception
)

# Run as a process of its own, since what this program imports is no part of the image.
LOADED = """
import sys
for name in sys.argv[1:]:
    __import__(name)
for module in sys.modules.values():
    print(getattr(module, "__file__", None))
for mapping in open("/proc/self/maps"):
    if "x" in mapping.split()[1]:
        print(mapping.split(maxsplit=5)[-1].strip())
"""

# The loader's index of libraries outside its own directories, such as Docker's libpython.
LOADER_CACHE = Path("/etc/ld.so.cache")

PT_INTERP = 3


def main(service: str, root: Path) -> None:
    """Copy to `root` what `python3.13 -m service` needs when it runs in this directory."""
    sources = [path for name in ("runtime", service) for path in Path(name).rglob("*.py")]
    modules = [".".join(path.with_suffix("").parts) for path in sources]
    own = [path.absolute() for path in sources]
    files = {*own, *loaded([*modules, *LATE]), Path(sys.executable), loader(Path(sys.executable))}
    files |= {link for file in files if ".so" in file.name for link in links(file)}
    if Path(zoneinfo.__file__) in files:
        files |= zones()
    if LOADER_CACHE.exists():
        files.add(LOADER_CACHE)
    for file in sorted(files):
        copy(file, root)
        if file.suffix == ".py":
            bytecode = place(Path(cache_from_source(str(file))), root)
            mode = py_compile.PycInvalidationMode.UNCHECKED_HASH  # no source is edited there
            py_compile.compile(str(file), str(bytecode), doraise=True, invalidation_mode=mode)
    share(root)


def loaded(modules: list[str]) -> set[Path]:
    """The files in use by a process that has imported these modules: sources and binaries."""
    command = [sys.executable, "-c", LOADED, *modules]
    output = subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout
    return {Path(line) for line in output.splitlines() if line.startswith("/")}


def loader(executable: Path) -> Path:
    """The dynamic loader, as the executable names it: its PT_INTERP segment, see elf(5)."""
    elf = executable.read_bytes()
    if elf[:5] != b"\x7fELF\x02":
        sys.exit(f"{executable} is not a 64-bit ELF file")
    (table,) = struct.unpack_from("=Q", elf, 32)
    size, count = struct.unpack_from("=HH", elf, 54)
    for header in range(table, table + size * count, size):
        kind, _, start, _, _, length = struct.unpack_from("=IIQQQQ", elf, header)
        if kind == PT_INTERP:
            return Path(os.fsdecode(elf[start : start + length - 1]))
    sys.exit(f"{executable} names no dynamic loader")


def links(library: Path) -> list[Path]:
    """The links beside a library; one of them is the soname by which it is looked for."""
    return [path for path in library.parent.iterdir() if path.resolve() == library]


def zones() -> set[Path]:
    """Return the data files of every time zone of the IANA database."""
    names = zoneinfo.available_timezones()
    found = {Path(path, name) for path in zoneinfo.TZPATH for name in names if is_zone(path, name)}
    return found or sys.exit(
        "the base image has no time zone data; in Debian it is the package tzdata"
    )


def is_zone(directory: str, name: str) -> bool:
    """Return whether a directory of zone files has the zone, without a link out of it.

    Debian's has the link `localtime` to /etc/localtime, which is a link back to the host's zone.
    """
    path = Path(directory, name)
    while path.is_symlink() and path.is_relative_to(directory):
        path = Path(os.path.normpath(path.parent / path.readlink()))
    return path.is_relative_to(directory) and path.is_file()


def copy(path: Path, root: Path) -> None:
    """Copy a file to its place under the root, with every symbolic link on the way to it."""
    for part in reversed([path, *path.parents]):
        if part.is_symlink():
            target = part.readlink()
            if not (link := place(part, root)).is_symlink():
                link.symlink_to(target)
            copy(Path(os.path.normpath(part.parent / target / path.relative_to(part))), root)
            return
    copy2(path, place(path, root))


def place(path: Path, root: Path) -> Path:
    """Where the path goes under the root; its directory is there."""
    placed = root / path.relative_to("/")
    placed.parent.mkdir(parents=True, exist_ok=True)
    return placed


def share(root: Path) -> None:
    """Let every user read what the owner may read, as `chmod -R a+rX` does.

    The build context has the modes that the umask of its checkout left, such as 600.
    """
    for path in (root, *root.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | (mode & 0o500) >> 3 | (mode & 0o500) >> 6)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
