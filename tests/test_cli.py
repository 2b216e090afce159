"""The command `anomaly-zoo`: its errors are one line, and `lab` is a real server that stops."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import anomaly_zoo as az
from anomaly_zoo import cli, lab

NOTEBOOK = "01_find_anomalies.ipynb"
run = CliRunner().invoke


def in_one_line(text: str) -> str:
    return " ".join(text.split())


def test_version_and_help() -> None:
    assert run(cli.app, ["--version"]).output == f"anomaly-zoo {az.__version__}\n"
    shown = run(cli.app, ["--help"]).output
    assert "lab" in shown and "rank" in shown


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from anomaly_zoo.cli import app\n"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0\n"
        "heavy = {'torch', 'gpytorch', 'bokeh', 'anywidget', 'pandas', 'numpy', 'jupyterlab'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# --- rank ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with features in three formats, a catalogue, and the ratings of a session."""
    folder = tmp_path_factory.mktemp("rated")
    ids = np.array([f"J{i:03d}" for i in range(60)], dtype=object)
    X = np.random.default_rng(1).normal(size=(60, 4)).astype(np.float32)
    features = az.Representation(ids, X)
    features.write(folder / "features.parquet")
    np.save(folder / "features.npy", X)
    (folder / "ids.txt").write_text("\n".join(ids))
    columns = {"id_str": ids, "ra": np.linspace(10, 20, 60), "dec": np.linspace(-5, 5, 60)}
    pd.DataFrame(columns).to_csv(folder / "catalog.csv", index=False)
    session = az.Session(features, ratings=folder / "ratings.db", seed=0)
    for row in range(20):
        session.rate(ids[row], 5 if X[row, 0] > 0.5 else 0)
    session.flag(ids[30])
    return folder


def test_rank_is_the_ranking_of_the_session(rated: Path, tmp_path: Path) -> None:
    out = tmp_path / "anomalies.csv"
    arguments = [rated / "ratings.db", rated / "features.parquet", "-o", out]
    done = run(cli.app, ["rank", *map(str, arguments), "--catalog", str(rated / "catalog.csv")])
    assert done.exit_code == 0, done.output
    assert "60" in done.output and "20" in done.output and "anomalies.csv" in done.output
    written = pd.read_csv(out, comment="#")
    features = az.Representation.read(rated / "features.parquet")
    catalog = az.Catalog.read(rated / "catalog.csv")
    expected = az.Session(features, catalog, ratings=rated / "ratings.db").ranking()
    assert written["id_str"].tolist() == expected["id_str"].tolist()
    assert "J030" not in set(written["id_str"])
    np.testing.assert_allclose(written["interest"], expected["interest"], atol=1e-5)
    np.testing.assert_allclose(written["ra"], expected["ra"])


def test_rank_takes_npy_with_ids_and_keeps_the_top(rated: Path, tmp_path: Path) -> None:
    out = tmp_path / "ten.parquet"
    arguments = [rated / "ratings.db", rated / "features.npy", "--ids", rated / "ids.txt"]
    done = run(cli.app, ["rank", *map(str, arguments), "-o", str(out), "--top", "10"])
    assert done.exit_code == 0, done.output
    assert pd.read_parquet(out)["rank"].tolist() == list(range(1, 11))


@pytest.mark.parametrize(
    ("ratings", "features", "output", "said"),
    [
        ("none.db", "features.parquet", "a.csv", "there is no file"),
        ("ratings.db", "none.parquet", "a.csv", "there is no file"),
        ("ratings.db", "features.parquet", "a.xlsx", "use .parquet, .csv, .fits, .ecsv"),
        ("ratings.db", "features.parquet", "none/a.csv", "there is no folder"),
        ("catalog.csv", "features.parquet", "a.csv", "not an anomaly_zoo ratings file"),
        ("ratings.db", "catalog.csv", "a.csv", ""),
        ("ratings.db", "features.npy", "a.csv", "ids"),
        ("empty.db", "features.parquet", "a.csv", "no ratings in"),
    ],
)
def test_rank_says_in_one_line_what_is_wrong(
    rated: Path, tmp_path: Path, ratings: str, features: str, output: str, said: str
) -> None:
    (rated / "empty.db").write_bytes(b"")
    arguments = [str(rated / ratings), str(rated / features), "-o", str(tmp_path / output)]
    done = run(cli.app, ["rank", *arguments])
    assert done.exit_code in (1, 2)
    assert isinstance(done.exception, SystemExit)
    assert done.stderr.startswith("anomaly-zoo: ") and done.stderr.count("\n") == 1
    assert said in done.stderr
    assert not list(tmp_path.iterdir()), "nothing is written when something is wrong"
    assert (rated / "empty.db").read_bytes() == b"", "ranking does not write to the ratings"


def test_rank_refuses_ratings_of_another_representation(rated: Path, tmp_path: Path) -> None:
    other = az.Representation([f"K{i}" for i in range(9)], np.eye(9, dtype=np.float32))
    other.write(tmp_path / "other.parquet")
    arguments = [rated / "ratings.db", tmp_path / "other.parquet", "-o", tmp_path / "a.csv"]
    done = run(cli.app, ["rank", *map(str, arguments)])
    assert done.exit_code == 1
    assert "another representation" in done.stderr and done.stderr.count("\n") == 1


def test_rank_does_not_change_the_ratings(rated: Path, tmp_path: Path) -> None:
    def dump() -> list[str]:
        with sqlite3.connect(rated / "ratings.db") as connection:
            return list(connection.iterdump())

    before = dump()
    arguments = [rated / "ratings.db", rated / "features.parquet", "-o", tmp_path / "a.csv"]
    assert run(cli.app, ["rank", *map(str, arguments)]).exit_code == 0
    assert dump() == before


# --- lab -----------------------------------------------------------------------------------------


def test_notebooks_are_copied_once_and_never_overwritten(tmp_path: Path) -> None:
    assert any("Copied" in line for line in lab.copy_notebooks(tmp_path))
    mine = tmp_path / NOTEBOOK
    assert mine.read_bytes() == (lab.shipped_notebooks() / NOTEBOOK).read_bytes()
    assert lab.copy_notebooks(tmp_path) == []
    mine.write_text("my own work")
    assert any("Kept your own" in line for line in lab.copy_notebooks(tmp_path))
    assert mine.read_text() == "my own work"


def test_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    done = run(cli.app, ["lab", str(tmp_path / "file")])
    assert done.exit_code == 1
    assert "cannot write in" in done.stderr and "anomaly-zoo lab ~/" in done.stderr


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_folder_that_is_read_only(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    done = run(cli.app, ["lab", str(tmp_path)])
    tmp_path.chmod(0o700)
    assert done.exit_code == 1 and "cannot write in" in done.stderr


def test_port_that_is_busy(tmp_path: Path) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = str(busy.getsockname()[1])
        done = run(cli.app, ["lab", str(tmp_path), "--port", port, "--no-browser"])
    assert done.exit_code == 1
    assert f"port {port}" in done.stderr and "another --port" in done.stderr


def test_busy_port_is_passed_over_when_none_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        monkeypatch.setattr(lab, "FIRST_PORT", busy.getsockname()[1])
        assert lab.free_port("127.0.0.1", None) > busy.getsockname()[1]


def test_address_of_another_computer(tmp_path: Path) -> None:
    done = run(cli.app, ["lab", str(tmp_path), "--ip", "no.such.host.invalid", "--no-browser"])
    assert done.exit_code == 2 and "no address of this computer" in done.stderr


def test_missing_jupyterlab_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lab, "find_spec", lambda name: None if name == "jupyterlab" else name)
    done = run(cli.app, ["lab", str(tmp_path)])
    assert done.exit_code == 1
    assert 'pip install "anomaly-zoo[lab]"' in in_one_line(done.stderr)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("ip", "info", "urls"),
    [
        ("127.0.0.1", {"token": "t"}, [f"http://127.0.0.1:9/lab/tree/{NOTEBOOK}?token=t"]),
        ("::1", {"token": ""}, [f"http://[::1]:9/lab/tree/{NOTEBOOK}"]),
        (
            "127.0.0.1",
            {"token": "t", "secure": True, "base_url": "/me/"},
            [f"https://127.0.0.1:9/me/lab/tree/{NOTEBOOK}?token=t"],
        ),
        (
            "0.0.0.0",
            {"token": "t"},
            [
                f"http://{host}:9/lab/tree/{NOTEBOOK}?token=t"
                for host in ("127.0.0.1", socket.gethostname())
            ],
        ),
    ],
)
def test_urls(ip: str, info: dict, urls: list[str]) -> None:
    assert lab.notebook_urls({"base_url": "/", "port": 9, **info}, ip) == urls


@pytest.mark.skipif(os.name != "posix", reason="sends signals")
def test_lab_serves_the_notebook_and_stops(tmp_path: Path) -> None:
    folder = tmp_path / "my galaxies"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("JUPYTER")}
    environment |= {"HOME": str(tmp_path), "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime")}
    command = [sys.executable, "-m", "anomaly_zoo.cli", "lab", str(folder), "--no-browser"]
    said: list[str] = []
    with open(tmp_path / "errors", "w") as errors:
        lab = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True
        )
        assert lab.stdout is not None
        try:
            for line in lab.stdout:
                said.append(line)
                if NOTEBOOK in line and "http" in line:
                    break
            else:
                pytest.fail(f"no URL: {said}, {(tmp_path / 'errors').read_text()}")
            url = said[-1].strip()
            open_url = urllib.request.build_opener(urllib.request.ProxyHandler({})).open
            with open_url(url, timeout=60) as page:
                config = page.read().decode()
            assert '"news": {"disabled": true}' in config, "no pop-up about news"
            contents = url.replace("/lab/tree/", "/api/contents/")
            with open_url(contents, timeout=60) as answer:
                assert json.load(answer)["type"] == "notebook"
            with pytest.raises(urllib.error.HTTPError, match="403"):
                open_url(contents.split("?")[0], timeout=60)
        finally:
            lab.send_signal(signal.SIGINT)
            rest, _ = lab.communicate(timeout=60)
    assert lab.returncode == 0
    assert "Stopped" in rest and str(folder) in rest
    assert (folder / NOTEBOOK).is_file()
    with pytest.raises(urllib.error.URLError):
        open_url(url, timeout=10)
    if os.geteuid() == 0:
        assert "you are root" in (tmp_path / "errors").read_text()
