"""`anomaly-zoo lab`: copy the notebooks, start JupyterLab, and open it on galaxies to rate."""

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

from anomaly_zoo.first_cells import run_first_cells

FIRST_NOTEBOOK = "01_find_anomalies.ipynb"
FIRST_PORT = 8888
_EVERYWHERE = ("0.0.0.0", "::")
_START_SECONDS = 120.0
_STOP_SECONDS = 15.0


class LabError(Exception):
    """What stands in the way of starting, and what to do; `code` is the exit status."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


def say(text: str) -> None:
    print(text, flush=True)


def warn(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def run_lab(folder: Path, browser: bool, port: int | None, ip: str) -> int:
    """Serve the notebooks in `folder` until Ctrl-C; the exit status. Raises LabError."""
    missing = [m for m in ("jupyterlab", "ipykernel", "photutils", "skimage") if not find_spec(m)]
    if missing:
        raise LabError(f'{", ".join(missing)} not installed: run  pip install "anomaly-zoo[lab]"')
    folder = folder.expanduser().absolute()
    _make_writable_folder(folder)
    for line in copy_notebooks(folder):
        say(line)
    port = free_port(ip, port)

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
        warn(
            "Warning: you are root, so every notebook cell runs as root. "
            "Better start this as an ordinary user."
        )
        command.append("--allow-root")
    if ip not in ("127.0.0.1", "::1", "localhost"):
        warn(f"Warning: listening on {ip}: whoever has the URL can run code as you.")
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
    say("Starting JupyterLab ...")
    started = time.time()
    server = subprocess.Popen(command, env=environment, cwd=folder, stdin=subprocess.DEVNULL)
    _stop_on(signal.SIGTERM, getattr(signal, "SIGHUP", None))
    try:
        info = _wait_for_server(server, ip, port, started)
        _prepare(info, ip, folder)
        urls = notebook_urls(info, ip)
        say("\nYour galaxies are at")
        for url in urls:
            say(f"  {url}")
        say("Ctrl-C here stops it.")
        if browser:
            _open(urls[0], folder)
        code = server.wait()
    except KeyboardInterrupt:
        _stop(server)
        code = 0
    finally:
        if server.poll() is None:
            _stop(server)
    say(f"\nStopped. Your notebooks and ratings are in {folder}")
    return code


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
    api = notebook_urls(info, ip)[0].partition("lab/tree/")[0]
    say("Preparing the galaxies (some 20 seconds the first time) ...")
    try:
        run_first_cells(api, str(info.get("token", "")), folder, FIRST_NOTEBOOK)
    except Exception as error:  # the notebook opens all the same, and says more
        warn(f"Could not run the first cells, run them by hand: {error}")


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
    raise LabError(f"{FIRST_NOTEBOOK} is not in this installation: install anomaly-zoo again")


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
        raise LabError(
            f"cannot write in {folder} ({error.strerror}): give a folder of your own, "
            "for example  anomaly-zoo lab ~/my_anomalies"
        ) from error


def free_port(ip: str, port: int | None) -> int:
    """The port that was asked for, or else the first free one; exits when there is none."""
    for candidate in [port] if port else range(FIRST_PORT, FIRST_PORT + 100):
        try:
            family, kind, proto, _, address = socket.getaddrinfo(
                ip, candidate, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            with socket.socket(family, kind, proto) as trial:
                if os.name == "posix":
                    trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                trial.bind(address)
        except socket.gaierror:
            raise LabError(
                f"--ip {ip} is no address of this computer; leave it out to listen locally", 2
            ) from None
        except OSError as error:
            if port:
                raise LabError(
                    f"cannot listen on {ip}, port {port} ({error.strerror}): give another --port, "
                    "or leave it out to take a free one"
                ) from error
        else:
            return candidate
    raise LabError(
        f"no free port on {ip} from {FIRST_PORT} on: give one with --port, or check --ip"
    )


def _wait_for_server(
    server: subprocess.Popen[bytes], ip: str, port: int, started: float
) -> dict[str, object]:
    """What the server writes about itself, once it answers; exits when it does not come up."""
    from jupyter_core.paths import jupyter_runtime_dir

    host = "127.0.0.1" if ip in _EVERYWHERE else ip
    while time.time() < started + _START_SECONDS:
        if server.poll() is not None:
            raise LabError(f"JupyterLab ended before it was ready (exit code {server.returncode})")
        for file in Path(jupyter_runtime_dir()).glob("jpserver-*.json"):
            try:
                info = json.loads(file.read_text(encoding="utf-8"))
                if info["port"] == port and file.stat().st_mtime > started - 2:
                    socket.create_connection((host, port), timeout=1).close()
                    return info
            except (OSError, ValueError, KeyError):
                continue  # not there yet, or of a server that has just gone
        time.sleep(0.1)
    raise LabError(f"JupyterLab did not come up within {_START_SECONDS:.0f} seconds")


def _stop_on(*signals: signal.Signals | None) -> None:
    """Treat these signals as Ctrl-C, so that no server stays behind; nohup stays in force."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    for number in signals:
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
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
