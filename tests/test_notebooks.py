"""The notebooks run from top to bottom without a screen, and are stored without outputs."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import nbclient
import nbformat
import pandas as pd
import pytest

import anomaly_zoo as az
from anomaly_zoo.ratings import RatingLog, opinions

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
# The most cells, and lines in one: two that are used, and one that shows how well it goes.
SHORT, MEASURES = (10, 6), (20, 50)


def test_there_are_notebooks() -> None:
    names = [path.name for path in NOTEBOOKS]
    assert names == [
        "01_find_anomalies.ipynb",
        "02_bring_your_own_images.ipynb",
        "03_how_well_does_it_find.ipynb",
        "04_explore.ipynb",
    ]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_stored_short_valid_and_without_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    most_cells, most_lines = MEASURES if path.stem.startswith("03") else SHORT
    assert len(notebook.cells) <= most_cells
    assert len({cell["id"] for cell in notebook.cells}) == len(notebook.cells)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == [] and cell.execution_count is None
            assert len(cell.source.splitlines()) <= most_lines
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


@pytest.mark.parametrize("path", [*NOTEBOOKS[:2], NOTEBOOKS[3]], ids=lambda path: path.stem)
def test_runs_from_top_to_bottom_and_again(
    path: Path,
    environment: dict[str, str],
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    for _ in range(2):  # the second time resumes the ratings file and replaces the export
        outputs = run(nbformat.read(path, as_version=4), tmp_path)
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
        names = {p.name for p in tmp_path.iterdir()} - {".ipynb_checkpoints"}
        assert names == {"zoo_images", "features.parquet", "my_ratings.db", "my_anomalies.csv"}
    if path.stem == "04_explore":
        written = pd.read_csv(tmp_path / "rings.csv", comment="#")
        assert written["rank"].tolist() == list(range(1, len(written) + 1)) and len(written) > 9
        assert len((tmp_path / "rings.reg").read_text().split("circle")) == len(written) + 1
        assert (tmp_path / "rings.png").read_bytes().startswith(b"\x89PNG")
        log = RatingLog(tmp_path / "explore.db", az.examples.zoo().features.hash)
        assert opinions(log.events).limit == "truth_magnitude < 17"


TELL = """
import json
print(json.dumps([{name: [int(c[-1]) for c in curves] for name, curves in of_taste.items()}
                  for of_taste in found.values()]))
"""


def test_what_is_measured_is_shown_and_is_true(
    environment: dict[str, str], cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    notebook = nbformat.read(NOTEBOOKS[2], as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(TELL))
    outputs = run(notebook, tmp_path)
    kinds = [kind for o in outputs for kind in o.get("data", {})]
    assert kinds.count("application/vnd.bokehjs_exec.v0+json") == 3, "the plots"
    assert kinds.count("image/png") == 3, "what was found first"
    assert not any(tmp_path.iterdir()), "it leaves no file behind"
    scripts = [o.get("data", {}).get("application/javascript", "") for o in outputs]
    assert not any("cdn.bokeh.org" in script for script in scripts), "nothing is fetched"
    for found in json.loads(outputs[-1].text):
        assert min(found["ours"]) > max(found["random"])
        assert sum(found["ours"]) > 0.9 * max(sum(found[name]) for name in found)


def run(notebook: nbformat.NotebookNode, folder: Path) -> list[nbformat.NotebookNode]:
    """All outputs of a notebook that runs in the folder, without an error or a warning."""
    client = nbclient.NotebookClient(
        notebook,
        timeout=300,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute()  # raises CellExecutionError with the traceback of the cell
    outputs = [o for cell in notebook.cells for o in cell.get("outputs", [])]
    assert not [o for o in outputs if o.output_type == "error"]
    assert not [o.text for o in outputs if o.get("name") == "stderr" and "Warning" in o.text]
    return outputs


def test_cells_that_run_at_the_start_come_first_and_show_the_tool_last() -> None:
    for path in NOTEBOOKS[:2]:
        notebook = nbformat.read(path, as_version=4)
        cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
        start = ["start" in cell.metadata.get("tags", []) for cell in cells]
        assert start == sorted(start, reverse=True)
        assert cells[sum(start) - 1].source.endswith("az.explore(session)")
