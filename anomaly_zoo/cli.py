"""The command `anomaly-zoo`: open the notebooks, or rank without a screen."""

from __future__ import annotations

import html
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import webbrowser
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import typer

app = typer.Typer(
    help="Find your rare galaxies: look, rate a few, and rank all the others.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

FIRST_NOTEBOOK = "01_find_anomalies.ipynb"
_FIRST_PORT = 8888
_EVERYWHERE = ("0.0.0.0", "::")
_START_SECONDS = 120.0
_STOP_SECONDS = 15.0


def _fail(message: str, code: int = 1) -> NoReturn:
    typer.echo(f"anomaly-zoo: {message}", err=True)
    raise typer.Exit(code)


def _show_version(wanted: bool) -> None:
    if wanted:
        from anomaly_zoo import __version__

        typer.echo(f"anomaly-zoo {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Say the version."),
    ] = False,
) -> None:
    """Find your rare galaxies: look, rate a few, and rank all the others."""


# --- anomaly-zoo lab -----------------------------------------------------------------------------


@app.command()
def lab(
    folder: Annotated[
        Path, typer.Argument(help="Where your notebooks and ratings live; created when missing.")
    ] = Path("anomaly_zoo_notebooks"),
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open a browser, or only print the URL.")
    ] = True,
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="The port; by default the first free from 8888 on."),
    ] = None,
    ip: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
) -> None:
    """Copy the notebooks to FOLDER and open JupyterLab on the first one."""
    missing = [m for m in ("jupyterlab", "ipykernel", "photutils", "skimage") if not find_spec(m)]
    if missing:
        _fail(f'{", ".join(missing)} not installed: run  pip install "anomaly-zoo[lab]"')
    folder = folder.expanduser().absolute()
    _make_writable_folder(folder)
    for line in copy_notebooks(folder):
        typer.echo(line)
    port = _free_port(ip, port)

    command = [
        *(sys.executable, "-m", "jupyterlab"),
        f"--ServerApp.root_dir={folder}",
        f"--ServerApp.ip={ip}",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        "--ServerApp.open_browser=False",
        f"--LabApp.default_url=/lab/tree/{FIRST_NOTEBOOK}",
        # No pop-up and no request to the outside at the start.
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--ServerApp.answer_yes=True",  # Ctrl-C stops without a question
        "--Application.log_level=WARN",
    ]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        typer.echo(
            "Warning: you are root, so every notebook cell runs as root. "
            "Better start this as an ordinary user.",
            err=True,
        )
        command.append("--allow-root")
    if ip not in ("127.0.0.1", "::1", "localhost"):
        typer.echo(
            f"Warning: listening on {ip}: whoever has the URL can run code as you.", err=True
        )
    # The kernel is this Python, and the window layout stays with the folder that it belongs to.
    environment = {
        "OMP_WAIT_POLICY": "PASSIVE",
        "JUPYTER_TOKEN": secrets.token_hex(24),  # one that it finds itself it would also print
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / ".jupyterlab"),
        "PYTHONWARNINGS": "ignore::DeprecationWarning",
        **os.environ,
        "JUPYTER_CONFIG_PATH": os.pathsep.join(
            filter(None, [str(_quiet(folder)), os.environ.get("JUPYTER_CONFIG_PATH")])
        ),
        "JUPYTER_PREFER_ENV_PATH": "1",
    }
    typer.echo("Starting JupyterLab ...")
    started = time.time()
    server = subprocess.Popen(command, env=environment, cwd=folder, stdin=subprocess.DEVNULL)
    _stop_on(signal.SIGTERM, getattr(signal, "SIGHUP", None))
    try:
        info = _wait_for_server(server, ip, port, started)
        _prepare(info, ip, folder)
        urls = notebook_urls(info, ip)
        typer.echo("\nYour galaxies are at")
        for url in urls:
            typer.echo(f"  {url}")
        typer.echo("Ctrl-C here stops it.")
        if browser:
            _open(urls[0], folder)
        code = server.wait()
    except KeyboardInterrupt:
        _stop(server)
        code = 0
    finally:
        if server.poll() is None:
            _stop(server)
    typer.echo(f"\nStopped. Your notebooks and ratings are in {folder}")
    raise typer.Exit(code)


def _quiet(folder: Path) -> Path:
    """A configuration folder with which JupyterLab asks nothing and leaves the room to the tool.

    The user's own settings stand above these defaults; a window layout of before is kept.
    """
    home = folder / ".jupyterlab"
    settings = home / "config" / "labconfig" / "default_setting_overrides.json"
    settings.parent.mkdir(parents=True, exist_ok=True)
    quiet = {"fetchNews": "false", "checkForUpdates": False}
    settings.write_text(json.dumps({"@jupyterlab/apputils-extension:notification": quiet}))
    layout = home / "default-37a8.jupyterlab-workspace"
    if not layout.exists():
        sides = {"left": {"collapsed": True}, "right": {"collapsed": True}}
        layout.write_text(
            json.dumps({"data": {"layout-restorer:data": sides}, "metadata": {"id": "default"}})
        )
    return home / "config"


def _prepare(info: dict[str, object], ip: str, folder: Path) -> None:
    """Have the galaxies on the screen when the notebook is opened."""
    from anomaly_zoo.first_cells import run_first_cells

    api = notebook_urls(info, ip)[0].partition("lab/tree/")[0]
    typer.echo("Preparing the galaxies (some 20 seconds the first time) ...")
    try:
        run_first_cells(api, str(info.get("token", "")), folder, FIRST_NOTEBOOK)
    except Exception as error:  # the notebook opens all the same, and says more
        typer.echo(f"Could not run the first cells, run them by hand: {error}", err=True)


def _open(url: str, folder: Path) -> None:
    """Open the browser by a page that only this user can read: the URL holds the token."""
    page = folder / ".jupyterlab" / "open.html"
    page.parent.mkdir(exist_ok=True)
    page.touch(mode=0o600)
    page.write_text(f'<meta http-equiv="refresh" content="0; url={html.escape(url)}">')
    webbrowser.open(page.as_uri())


def shipped_notebooks() -> Path:
    """The folder of the notebooks: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).parent
    for folder in (package / "notebooks", package.parent / "notebooks"):
        if (folder / FIRST_NOTEBOOK).is_file():
            return folder
    _fail(f"{FIRST_NOTEBOOK} is not in this installation: install anomaly-zoo again")


def copy_notebooks(folder: Path) -> list[str]:
    """Copy the shipped notebooks to `folder`, keep those already there, and say what was done."""
    done = []
    for source in sorted(shipped_notebooks().glob("*.ipynb")):
        target = folder / source.name
        if not target.exists():
            shutil.copyfile(source, target)
            done.append(f"Copied {source.name} to {folder}")
        elif _cells(target) != _cells(source):
            done.append(
                f"Kept your own {target} (rename it and start again to get the original back)"
            )
    return done


def _cells(notebook: Path) -> object:
    """What stands in the cells, or the raw text where it is no notebook any more."""
    text = notebook.read_text(encoding="utf-8")
    try:
        return [(cell["cell_type"], "".join(cell["source"])) for cell in json.loads(text)["cells"]]
    except (ValueError, KeyError, TypeError):
        return text


def notebook_urls(info: dict[str, object], ip: str) -> list[str]:
    """The addresses of the first notebook, given what the server says about itself."""
    hosts = ["127.0.0.1", socket.gethostname()] if ip in _EVERYWHERE else [ip]
    scheme = "https" if info.get("secure") else "http"
    path = f"{info.get('base_url', '/')}lab/tree/{FIRST_NOTEBOOK}"
    token = f"?token={info['token']}" if info.get("token") else ""
    bracketed = [f"[{host}]" if ":" in host else host for host in hosts]
    return [f"{scheme}://{host}:{info['port']}{path}{token}" for host in bracketed]


def _make_writable_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        _fail(
            f"cannot write in {folder} ({error.strerror}): give a folder of your own, "
            "for example  anomaly-zoo lab ~/my_anomalies"
        )


def _free_port(ip: str, port: int | None) -> int:
    """The port that was asked for, or else the first free one; exits when there is none."""
    for candidate in [port] if port else range(_FIRST_PORT, _FIRST_PORT + 100):
        try:
            family, kind, proto, _, address = socket.getaddrinfo(
                ip, candidate, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            with socket.socket(family, kind, proto) as trial:
                if os.name == "posix":
                    trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                trial.bind(address)
        except socket.gaierror:
            _fail(f"--ip {ip} is no address of this computer; leave it out to listen locally", 2)
        except OSError as error:
            if port:
                _fail(
                    f"cannot listen on {ip}, port {port} ({error.strerror}): give another --port, "
                    "or leave it out to take a free one"
                )
        else:
            return candidate
    _fail(f"no free port on {ip} from {_FIRST_PORT} on: give one with --port, or check --ip")


def _wait_for_server(
    server: subprocess.Popen[bytes], ip: str, port: int, started: float
) -> dict[str, object]:
    """What the server writes about itself, once it answers; exits when it does not come up."""
    from jupyter_core.paths import jupyter_runtime_dir

    host = "127.0.0.1" if ip in _EVERYWHERE else ip
    while time.time() < started + _START_SECONDS:
        if server.poll() is not None:
            _fail(f"JupyterLab ended before it was ready (exit code {server.returncode})")
        for file in Path(jupyter_runtime_dir()).glob("jpserver-*.json"):
            try:
                info = json.loads(file.read_text(encoding="utf-8"))
                if info["port"] == port and file.stat().st_mtime > started - 2:
                    socket.create_connection((host, port), timeout=1).close()
                    return info
            except (OSError, ValueError, KeyError):
                continue  # not there yet, or of a server that has just gone
        time.sleep(0.1)
    _fail(f"JupyterLab did not come up within {_START_SECONDS:.0f} seconds")


def _stop_on(*signals: signal.Signals | None) -> None:
    """Treat these signals as Ctrl-C, so that no server stays behind."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    for number in signals:
        if number is not None:
            signal.signal(number, interrupt)


def _stop(server: subprocess.Popen[bytes]) -> None:
    """Let the server end its kernels; kill it when that takes too long or on a second Ctrl-C."""
    try:
        if os.name == "posix":  # elsewhere Ctrl-C has reached it already, and this would kill it
            server.terminate()
        server.wait(_STOP_SECONDS)
    except (KeyboardInterrupt, subprocess.TimeoutExpired):
        server.kill()
        server.wait()


# --- anomaly-zoo rank ----------------------------------------------------------------------------


@app.command()
def rank(
    ratings: Annotated[Path, typer.Argument(help="The ratings file of a session (.db).")],
    features: Annotated[
        Path, typer.Argument(help="The representation: .parquet, .csv, .fits, .npz or .npy.")
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="The list to write; its suffix says the format."),
    ],
    catalog: Annotated[
        Path | None, typer.Option(help="A table with positions and other columns to export.")
    ] = None,
    ids: Annotated[
        Path | None, typer.Option(help="The ids of a .npy representation, in its order.")
    ] = None,
    top: Annotated[
        int | None, typer.Option(min=1, help="Write only so many, most interesting first.")
    ] = None,
) -> None:
    """Rank all galaxies by the ratings in RATINGS and write the list, without a screen."""
    suffixes = (".csv", ".parquet", ".ecsv", ".fits", ".vot")
    if output.suffix.lower() not in suffixes:
        _fail(f"cannot write {output.name}: its suffix must be one of {' '.join(suffixes)}", 2)
    if not output.absolute().parent.is_dir():
        _fail(f"cannot write {output}: there is no folder {output.absolute().parent}", 2)
    for file in (ratings, features, catalog, ids):
        if file is not None and not file.is_file():
            _fail(f"there is no file {file}", 2)

    import anomaly_zoo as az

    try:
        representation = az.Representation.read(features, ids=ids)
        table = None if catalog is None else az.Catalog.read(catalog)
        if ratings.stat().st_size == 0:
            raise ValueError(f"there are no ratings in {ratings}")
        session = az.Session(representation, table, ratings=ratings)
        session.export(output, top=top)
        rated = len(session.state.rated)
    except (ValueError, TypeError, OSError, ImportError, RuntimeError) as error:
        _fail(" ".join(str(error).split()) or type(error).__name__)
    typer.echo(f"Ranked {len(representation):,} galaxies by {rated:,} rated ones: {output}")


if __name__ == "__main__":
    app()
