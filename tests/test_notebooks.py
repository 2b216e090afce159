"""The notebooks run from top to bottom without a screen, and are stored without outputs."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import nbclient
import nbformat
import pandas as pd
import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


def test_there_are_notebooks() -> None:
    names = [path.name for path in NOTEBOOKS]
    assert names == ["01_find_anomalies.ipynb", "02_bring_your_own_images.ipynb"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_stored_short_valid_and_without_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    assert len(notebook.cells) <= 10
    assert len({cell["id"] for cell in notebook.cells}) == len(notebook.cells)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == [] and cell.execution_count is None
            assert len(cell.source.splitlines()) <= 6
    assert "widgets" not in notebook.metadata
    assert notebook.metadata.kernelspec.name == "python3"


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Jupyter folders of its own, with a kernel that is this very Python."""
    home = tmp_path_factory.mktemp("home")
    kernel = home / "kernels" / "python3"
    kernel.mkdir(parents=True)
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": command, "display_name": "this Python", "language": "python"}
    (kernel / "kernel.json").write_text(json.dumps(spec))
    return {
        "IPYTHONDIR": str(home / "ipython"),
        "JUPYTER_DATA_DIR": str(home),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTER_PREFER_ENV_PATH": "0",
    }


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_runs_from_top_to_bottom_and_again(
    path: Path,
    environment: dict[str, str],
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    shutil.copy(path, tmp_path)
    for _ in range(2):  # the second time resumes the ratings file and replaces the export
        notebook = nbformat.read(tmp_path / path.name, as_version=4)
        client = nbclient.NotebookClient(
            notebook,
            timeout=300,
            kernel_name="python3",
            resources={"metadata": {"path": str(tmp_path)}},
        )
        client.execute()  # raises CellExecutionError with the traceback of the cell
        outputs = [o for cell in notebook.cells for o in cell.get("outputs", [])]
        assert not [o for o in outputs if o.output_type == "error"]
        warned = [o.text for o in outputs if o.get("name") == "stderr" and "Warning" in o.text]
        assert not warned
    assert any("application/vnd.jupyter.widget-view+json" in o.get("data", {}) for o in outputs)
    if path.stem == "01_find_anomalies":
        assert list(cache.glob("hubble-*")), "the galaxies are kept for the next time"
        assert (tmp_path / "hubble.db").is_file()
        written = pd.read_csv(tmp_path / "anomalies.csv", comment="#")
        assert written["rank"].tolist() == list(range(1, 11))
    if path.stem == "02_bring_your_own_images":
        assert len(list((tmp_path / "zoo_images").glob("*.jpg"))) == 600
        assert any("image/png" in o.get("data", {}) for o in outputs), "the ten best"
        assert (tmp_path / "my_ratings.db").is_file()
        written = pd.read_csv(tmp_path / "my_anomalies.csv", comment="#")
        assert written["rank"].tolist() == list(range(1, 601))
        names = {p.name for p in tmp_path.iterdir()} - {".ipynb_checkpoints", path.name}
        assert names == {"zoo_images", "features.parquet", "my_ratings.db", "my_anomalies.csv"}


def test_cells_that_run_at_the_start_come_first_and_show_the_tool_last() -> None:
    for path in NOTEBOOKS:
        notebook = nbformat.read(path, as_version=4)
        cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
        start = ["start" in cell.metadata.get("tags", []) for cell in cells]
        assert start == sorted(start, reverse=True)
        assert cells[sum(start) - 1].source.endswith("az.explore(session)")
