"""What the sources may import, and how long a function may be."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PACKAGES = {
    "services/runtime": {"runtime"},
    "services/daytime": {"runtime", "daytime"},
    "services/echo": {"runtime", "echo"},
    "clients/probes": {"probes"},
}
LONGEST_FUNCTION = 50


def sources(package: str) -> list[Path]:
    """The modules of a package and its sub-packages, at least one."""
    found = sorted((ROOT / package).rglob("*.py"))
    assert found
    return found


def imported(tree: ast.Module) -> Iterator[str]:
    """The top-level names of what a module imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield str(node.module).partition(".")[0]


@pytest.mark.parametrize("package", PACKAGES)
def test_only_the_standard_library_is_imported(package: str) -> None:
    """Servers and clients need the standard library and their own package; services do not
    know each other, and clients share no code with servers.
    """
    allowed = PACKAGES[package] | sys.stdlib_module_names
    for source in sources(package):
        assert set(imported(ast.parse(source.read_text()))) <= allowed, source


@pytest.mark.parametrize("package", PACKAGES)
def test_functions_are_short(package: str) -> None:
    """No function is longer than a page."""
    for source in sources(package):
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.FunctionDef):
                lines = (node.end_lineno or 0) - node.lineno + 1
                assert lines <= LONGEST_FUNCTION, f"{source}: {node.name}"
