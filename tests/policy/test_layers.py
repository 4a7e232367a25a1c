"""Which package of the client tools may import which, and which modules of the standard library."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PROBES = Path(__file__).parent.parent.parent / "clients/probes"
RANKS = {
    "core": 0,
    **dict.fromkeys(("net", "console", "stats"), 1),
    "protocols": 2,
    **dict.fromkeys(("watch", "conformance"), 3),
    "cli": 4,
}
MODULES = [each for each in sorted(PROBES.rglob("*.py")) if each.parent != PROBES]
MAX_MODULES = 12
SOCKETS = ("net", "conformance/udp.py")
# By module of the standard library: who may import it.
RESERVED = {"argparse": ("cli",), "socket": SOCKETS, "select": (*SOCKETS, "console/streams.py")}
WRITERS = ("cli", "console", "watch/live.py")


def place(module: Path) -> str:
    """The path of a module below the package."""
    return module.relative_to(PROBES).as_posix()


def imported(module: Path) -> Iterator[str]:
    """The full names of all that a module imports, at any depth of its code."""
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("module", MODULES, ids=place)
def test_imports_go_down(module: Path) -> None:
    """A module imports from its own package or from one of a lower rank."""
    own = module.parent.name
    for name in imported(module):
        root, *rest = name.split(".")
        if root == "probes" and rest[0] in RANKS:
            assert rest[0] == own or RANKS[rest[0]] < RANKS[own], name


@pytest.mark.parametrize("module", MODULES, ids=place)
def test_reserved_modules(module: Path) -> None:
    """Only the command line knows argparse, and only the network layer opens sockets."""
    for name in {name.partition(".")[0] for name in imported(module)} & RESERVED.keys():
        assert place(module).startswith(RESERVED[name]), name


@pytest.mark.parametrize("module", MODULES, ids=place)
def test_stdout_has_few_writers(module: Path) -> None:
    """Only the console, the live line of a watch and the command line write to stdout."""
    tree = ast.parse(module.read_text())
    used = {
        ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Name | ast.Attribute)
    }
    assert place(module).startswith(WRITERS) or not {"print", "sys.stdout"} & used


def test_no_imports_in_a_circle() -> None:
    """No module imports itself by way of others."""
    names = {
        f"probes.{place(module).removesuffix('.py').replace('/', '.')}": module
        for module in MODULES
    }
    needs = {
        name: {each for found in imported(module) for each in (found, found.rpartition(".")[0])}
        for name, module in names.items()
    }
    while leaves := [name for name in needs if not needs[name] & needs.keys()]:
        for name in leaves:
            del needs[name]
    assert not needs


@pytest.mark.parametrize("package", RANKS)
def test_packages_are_small(package: str) -> None:
    """A package has at most twelve modules, and no module lies outside of all packages."""
    count = len([each for each in MODULES if each.parent.name == package])
    assert 0 < count <= MAX_MODULES or package == "cli"
    assert {each.relative_to(PROBES).parts[0] for each in MODULES} == RANKS.keys()
