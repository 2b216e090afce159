"""What is shipped, what is installed, and that README, Binder and .ci/run agree with it."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path
from urllib.parse import parse_qs, urlparse

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXTRAS = sorted(PROJECT["optional-dependencies"].keys() - {"test"})
EXAMPLES = ("zoo.parquet", "zoo_features.parquet")
FOLDERS = {"anomaly_zoo", "notebooks", "widgets", "tests", "example_data", "binder"}
FILES = {
    *("pyproject.toml", "README.md", "LICENSE", "CITATION.cff", "conftest.py", "constraints.txt"),
    *(".gitignore", ".ci", "CHANGELOG.md", ".gitattributes", ".github", ".pre-commit-config.yaml"),
}


def requirements(*extras: str) -> dict[str, Requirement]:
    """The direct dependencies by canonical name, without this package itself."""
    listed = [*PROJECT["dependencies"]]
    for extra in extras:
        listed += PROJECT["optional-dependencies"][extra]
    parsed = (Requirement(line) for line in listed)
    return {canonicalize_name(r.name): r for r in parsed if r.name != "anomaly-zoo"}


def constraints() -> dict[str, Version]:
    pins = {}
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            name, version = line.split("==")
            pins[canonicalize_name(name)] = Version(version)
    return pins


# --- the tree ------------------------------------------------------------------------------------


def tracked() -> list[str]:
    """The tracked paths, or all paths at the top where this is no git checkout."""
    git = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if git.returncode == 0 and "pyproject.toml" in git.stdout:
        return git.stdout.rstrip("\0").split("\0")
    made_by_tools = re.compile(r"\.venv|\.\w+_cache$|\.hypothesis$|\.git$|__pycache__|dist$|build$")
    names = (p for p in ROOT.iterdir() if not made_by_tools.match(p.name))
    return [p.name if p.is_file() else f"{p.name}/" for p in names]


def test_top_level_holds_what_was_agreed_and_nothing_else() -> None:
    top = {path.split("/")[0] for path in tracked()}
    assert top <= FOLDERS | FILES, f"not agreed: {sorted(top - FOLDERS - FILES)}"
    missing = (FOLDERS | {"pyproject.toml", "README.md", "LICENSE", "constraints.txt"}) - top
    assert not missing


# --- dependencies --------------------------------------------------------------------------------


def test_every_direct_dependency_is_pinned_within_its_bounds() -> None:
    pins = constraints()
    for name, requirement in requirements(*EXTRAS, "test").items():
        assert name in pins, f"constraints.txt does not pin {name}"
        assert pins[name] in requirement.specifier, f"{name}=={pins[name]} is outside its bounds"


IMPORTED_AS = {"PIL": "pillow", "sklearn": "scikit-learn", "skimage": "scikit-image"}
IMPORTED_AS |= {"umap": "umap-learn", "yaml": "pyyaml"}


@pytest.mark.parametrize(
    ("folder", "extras"),
    [
        ("anomaly_zoo", EXTRAS),
        ("tests", [*EXTRAS, "test"]),
    ],
)
def test_every_import_is_a_declared_dependency(folder: str, extras: list[str]) -> None:
    declared = set(requirements(*extras))
    for path in (ROOT / folder).rglob("*.py"):
        beside = [*path.parent.glob("*.py"), *(ROOT / "tests").glob("*.py")]
        own = {"anomaly_zoo", "conftest", "tests", *(p.stem for p in beside)}
        for name in imported(path) - own - sys.stdlib_module_names:
            package = canonicalize_name(IMPORTED_AS.get(name, name))
            assert package in declared, f"{path.relative_to(ROOT)} imports {name}"


def imported(path: Path) -> set[str]:
    """The top names of all that a source imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(str(node.module))
    return {name.split(".")[0] for name in names}


def test_constraints_are_plain_releases() -> None:
    """A local part such as +cpu would keep everyone without that index from installing."""
    assert all(version.local is None for version in constraints().values())


def test_test_extra_brings_all_of_lab() -> None:
    assert "anomaly-zoo[lab]" in PROJECT["optional-dependencies"]["test"]


def test_version_is_that_of_the_package() -> None:
    from importlib.metadata import version

    import anomaly_zoo

    assert PROJECT["dynamic"] == ["version"]
    assert version("anomaly-zoo") == anomaly_zoo.__version__


# --- Binder --------------------------------------------------------------------------------------

CONDA_NAMES = {"pytorch-cpu": "torch"}  # where conda-forge differs from PyPI
BUILD_TOOLS = {"python", "pip", "hatchling"}


def conda_packages() -> dict[str, Requirement]:
    listed = yaml.safe_load((ROOT / "binder" / "environment.yml").read_text(encoding="utf-8"))
    assert listed["channels"][0] == "conda-forge"
    assert all(isinstance(entry, str) for entry in listed["dependencies"]), "conda packages only"
    parsed = (
        Requirement(re.sub(r"(?<![=<>!~])=(?!=)", "==", line)) for line in listed["dependencies"]
    )
    return {CONDA_NAMES.get(r.name, canonicalize_name(r.name)): r for r in parsed}


def test_binder_has_the_same_packages_as_the_package() -> None:
    conda, needed = conda_packages(), requirements("lab")
    assert set(conda) - BUILD_TOOLS == set(needed)
    for name, requirement in needed.items():
        assert conda[name].specifier == requirement.specifier, name


def test_binder_runs_a_python_that_the_package_takes() -> None:
    (python,) = conda_packages()["python"].specifier
    assert Version(python.version) in Requirement(f"x{PROJECT['requires-python']}").specifier


@pytest.mark.parametrize("script", ["binder/postBuild", "binder/start", ".ci/run"])
def test_scripts_run(script: str) -> None:
    path = ROOT / script
    assert path.read_bytes().startswith(b"#!/usr/bin/env bash\n")
    assert os.name != "posix" or os.access(path, os.X_OK), "not executable"
    subprocess.run(["bash", "-n", str(path)], check=True)


def test_binder_start_hands_over_to_the_command_it_is_given() -> None:
    done = subprocess.run(
        [ROOT / "binder" / "start", "echo", "two words"], capture_output=True, text=True
    )
    assert done.stdout == "two words\n"


def test_badge_opens_a_notebook_that_exists() -> None:
    (url,) = re.findall(r"\]\((https://mybinder\.org/v2/\S+?)\)", README)
    (path,) = parse_qs(urlparse(url).query)["urlpath"]
    assert path.startswith("lab/tree/")
    assert (ROOT / path.removeprefix("lab/tree/")).is_file()


# --- README --------------------------------------------------------------------------------------


def shell_lines() -> list[str]:
    return [b.strip() for b in re.findall(r"```bash\n(.*?)```", README, flags=re.DOTALL)]


def test_readme_has_the_two_commands_each_in_one_line() -> None:
    start, test = shell_lines()
    for line, extra in ((start, "lab"), (test, "test")):
        assert "\n" not in line
        assert line.startswith("python3 -m venv ")
        assert f"install -c constraints.txt '.[{extra}]'" in line
    assert start.endswith("/anomaly-zoo lab")
    assert test.endswith("/python -m pytest")


def test_ci_runs_the_test_command_of_the_readme() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    (extract,) = re.findall(r"command=\$\((awk .*)\)\n", script)
    done = subprocess.run(
        ["bash", "-c", extract], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == shell_lines()[1]
    assert script.rstrip().endswith('bash -c "$command"'), "pytest's summary comes last"
    assert "pytest" not in script.replace("as pytest does", ""), "no second test command"


def test_readme_says_within_its_first_screen_what_this_is() -> None:
    first_screen = README[:3000]
    for part in ("What it does:", "For whom:", "What it does not do:", "mybinder.org", "```bash"):
        assert part in first_screen


def test_files_that_the_readme_shows_exist() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert target.startswith("https://") or (ROOT / target).is_file(), target


# --- what is built -------------------------------------------------------------------------------


def build(source: Path, kind: str, folder: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(folder)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return built


def test_wheel_carries_what_is_beside_the_package_also_from_the_sdist(tmp_path: Path) -> None:
    # Two wheels of the same tree: built at once, and from the sdist.
    with tarfile.open(build(ROOT, "sdist", tmp_path / "sdist")) as archive:
        archive.extractall(tmp_path / "source", filter="data")
    (source,) = (tmp_path / "source").iterdir()
    names = {}
    for label, tree in (("direct", ROOT), ("sdist", source)):
        with zipfile.ZipFile(build(tree, "wheel", tmp_path / label)) as wheel:
            names[label] = {n for n in wheel.namelist() if ".dist-info/" not in n}
    assert names["direct"] == names["sdist"]
    expected = {
        *(p.relative_to(ROOT).as_posix() for p in (ROOT / "anomaly_zoo").rglob("*.py")),
        *(f"anomaly_zoo/widgets/{p.name}" for p in (ROOT / "widgets").glob("*.*")),
        *(f"anomaly_zoo/notebooks/{p.name}" for p in (ROOT / "notebooks").glob("*.ipynb")),
        *(f"anomaly_zoo/example_data/{name}" for name in EXAMPLES),
    }
    assert expected <= names["direct"]
    assert any(n.startswith("anomaly_zoo/widgets/") and n.endswith(".js") for n in expected)
    shipped = {".py", ".js", ".css", ".ipynb", ".typed"}
    data = {"anomaly_zoo/encoders/zoonet.safetensors", "anomaly_zoo/encoders/zoonet.md"}
    strangers = {
        n
        for n in names["direct"] - expected - data
        if not n.startswith("anomaly_zoo/") or Path(n).suffix not in shipped
    }
    assert not strangers, "only the package is installed, and nobody's ratings"


def test_installed_package_finds_what_it_ships_without_the_checkout(tmp_path: Path) -> None:
    with zipfile.ZipFile(build(ROOT, "wheel", tmp_path / "wheel")) as wheel:
        wheel.extractall(tmp_path / "installed")
    code = (
        "from anomaly_zoo import examples, lab\n"
        "print(lab.shipped_notebooks())\n"
        f"for name in {EXAMPLES}: print(examples._shipped(name))\n"
        "print(len(examples.zoo(progress=False).features))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": str(tmp_path / "installed"),
            "ANOMALY_ZOO_CACHE": str(tmp_path / "cache"),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    package = tmp_path / "installed" / "anomaly_zoo"
    examples = [str(package / "example_data" / name) for name in EXAMPLES]
    assert done.stdout.splitlines() == [str(package / "notebooks"), *examples, "5000"]
    assert not list(tmp_path.glob("cache/*")), "the features that ship are taken, not made again"
