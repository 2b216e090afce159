"""Imports point down only, and `import anomaly_zoo` is light: read from the sources themselves."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "anomaly_zoo"

# A file imports from lower floors only.
FLOORS: tuple[tuple[str, ...], ...] = (
    (
        "ids",
        "cache",
        "tables",
        "threads",
        "links",
        "rounding",
        "deep_field",
        "tags",
        "positions",
        "columns",
        "extremes",
    ),
    ("simulate", "scan", "sky", "regions", "expression", "votes", "highest"),
    (
        "posterior",
        "geometry",
        "cutouts",
        "encoders",
        "stored",
        "sweep",
        "matching",
        "selection",
        "cuts",
    ),
    ("representation", "catalog", "ratings", "process", "calibration", "query"),
    ("interest", "acquisition", "artefacts", "neighbours", "able", "projection", "start", "sheet"),
    ("state",),
    ("takeaway", "ranking", "progress", "sources", "parts", "pool", "shortlist", "similar"),
    ("candidates", "scoring", "known"),
    ("choice",),
    ("settings",),
    ("session", "embedding"),
    ("ui", "replay", "first_cells", "examples"),
    ("lab",),
    ("", "cli"),
)
# Inside ui/: the views stand side by side, the explorer above them; no view knows another.
UI_FLOORS: tuple[tuple[str, ...], ...] = (
    ("assets", "pictures", "scale"),
    ("colours", "bokeh_pane", "tip"),
    ("raster", "mapbar"),
    ("grids",),
    ("layouts", "cells"),
    ("mosaic", "painting"),
    ("map", "viewer", "gallery", "panels", "finder", "items", "asking", "dyes"),
    ("arrangement", "hanging"),
    ("explorer",),
    ("",),
)
ONLY_IN = {
    "gpytorch": {"interest"},
    "bokeh": {"ui.map", "ui.colours", "ui.bokeh_pane"},
    "sqlalchemy": {"ratings"},
    "galsim": {"simulate.canvas"},
    "typer": {"cli"},
}
HEAVY = ("torch", "gpytorch", "bokeh", "anywidget", "umap", "photutils", "skimage", "astropy")


def module_of(path: Path) -> str:
    """The dotted name of a file below the package: "", "session", "ui.map"."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {module_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def running(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those that only a type checker reads."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            continue
        yield node
        yield from running(node)


def imports(source: str, module: str, package: bool, types: bool = False) -> Iterator[str]:
    """Every module that a source imports, anywhere in it, with relative names resolved; those
    for types alone only if asked."""
    home = ["anomaly_zoo", *(module.split(".") if module else [])]
    tree = ast.parse(source)
    for node in ast.walk(tree) if types else running(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = home[: len(home) - node.level + package] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def imported_by(module: str, types: bool = False) -> set[str]:
    path = SOURCES[module]
    source, package = path.read_text(encoding="utf-8"), path.name == "__init__.py"
    return set(imports(source, module, package, types))


def own_modules(names: set[str]) -> set[str]:
    """Those names that are modules of this package, without the bare `anomaly_zoo` itself,
    which holds the version and loads all else on demand."""
    inner = {n.removeprefix("anomaly_zoo.") for n in names if n.startswith("anomaly_zoo.")}
    return {name for name in inner if name in SOURCES}


def floor(name: str, floors: tuple[tuple[str, ...], ...]) -> int:
    for number, modules in enumerate(floors):
        if name in modules:
            return number
    raise AssertionError(f"{name!r} has no floor yet: give it one in {Path(__file__).name}")


def complaint(module: str, imported: str) -> str | None:
    """Why `module` must not import `imported`, or None where it may."""
    (top, _, rest), (other, _, other_rest) = module.partition("."), imported.partition(".")
    if top == other == "ui":
        if other_rest == "" or floor(other_rest, UI_FLOORS) < floor(rest, UI_FLOORS):
            return None
    elif top == other or floor(other, FLOORS) < floor(top, FLOORS):
        return None
    return f"{module or '__init__'} imports {imported}, which is not below it"


def test_every_module_has_a_floor() -> None:
    for module in SOURCES:
        top, _, rest = module.partition(".")
        floor(top, FLOORS)
        if top == "ui":
            floor(rest, UI_FLOORS)


@pytest.mark.parametrize("module", SOURCES, ids=lambda name: name or "__init__")
def test_imports_point_down(module: str) -> None:
    found = own_modules(imported_by(module, types=True)) - {module}
    assert not [said for other in sorted(found) if (said := complaint(module, other))]


@pytest.mark.parametrize("module", SOURCES, ids=lambda name: name or "__init__")
def test_each_big_package_has_one_home(module: str) -> None:
    packages = {name.split(".")[0] for name in imported_by(module)}
    for package, homes in ONLY_IN.items():
        assert package not in packages or module in homes, f"{module} imports {package}"


@pytest.mark.parametrize(
    ("source", "module", "allowed"),
    [
        ("from anomaly_zoo.posterior import Posterior", "session", True),
        ("from anomaly_zoo import posterior", "session", True),
        ("from anomaly_zoo import __version__", "ranking", True),
        ("from anomaly_zoo.session import Session", "posterior", False),
        ("from anomaly_zoo import session", "posterior", False),
        ("import anomaly_zoo.session as s", "interest", False),
        ("def f():\n    from .session import Session", "interest", False),
        ("from anomaly_zoo.interest import InterestModel", "acquisition", False),
        ("from anomaly_zoo.ui.map import Map", "ui.viewer", False),
        ("from . import map", "ui.viewer", False),
        ("from .map import Map", "ui.explorer", True),
        ("from anomaly_zoo.ui.explorer import explore", "ui.map", False),
        ("from anomaly_zoo.session import Session", "ui.explorer", True),
        ("from anomaly_zoo.cli import app", "ui.explorer", False),
        ("if TYPE_CHECKING:\n    from anomaly_zoo.session import S", "ranking", True),
        ("if x:\n    from anomaly_zoo.session import S", "ranking", False),
    ],
)
def test_this_test_can_tell(source: str, module: str, allowed: bool) -> None:
    known = {"session", "posterior", "interest", "ui.map", "ui.explorer", "cli"}
    names = {n.removeprefix("anomaly_zoo.") for n in imports(source, module, package=False)}
    said = [complaint(module, name) for name in names & known]
    assert (not any(said)) == allowed


def test_import_is_light() -> None:
    code = (
        "import sys, anomaly_zoo\n"
        "dir(anomaly_zoo)\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_public_names_are_all_there() -> None:
    import anomaly_zoo

    for name in anomaly_zoo.__all__:
        assert getattr(anomaly_zoo, name) is not None
