"""A real JupyterLab and a real Chromium for the tests that need them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import nbformat
import pytest
from jupyter_page import (
    ALL_RUN,
    CHROMIUM_FLAGS,
    KERNEL_READY,
    RUN_ALL,
    Lab,
    OpenNotebook,
    free_port,
    wait_for,
)


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    home = tmp_path_factory.mktemp("lab")
    notebooks = home / "notebooks"
    notebooks.mkdir()
    settings = home / "settings/@jupyterlab/apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text(
        json.dumps({"fetchNews": "false", "checkForUpdates": False})
    )
    environment = os.environ | {
        "HOME": str(home),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
    }
    port = free_port()
    command = [
        *(sys.executable, "-m", "jupyterlab", "--allow-root", "--no-browser"),
        *(f"--ServerApp.port={port}", "--ServerApp.port_retries=0", "--ServerApp.ip=127.0.0.1"),
        *("--IdentityProvider.token=", "--ServerApp.password="),
        *(f"--ServerApp.root_dir={notebooks}", "--LabApp.expose_app_in_browser=True"),
        *("--LabApp.extension_manager=readonly", "--JupyterNotebookApp.expose_app_in_browser=True"),
    ]
    with open(home / "log.txt", "w") as log:
        server = subprocess.Popen(
            command, env=environment, stdout=log, stderr=log, start_new_session=True
        )
        try:
            url = f"http://127.0.0.1:{port}"
            wait_for(f"{url}/api", server, home / "log.txt")
            yield Lab(url, notebooks)
        finally:  # its kernels are in its process group
            os.killpg(server.pid, signal.SIGTERM)
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(server.pid, signal.SIGKILL)


@pytest.fixture(scope="session")
def chromium() -> Iterator[object]:
    from playwright.sync_api import sync_playwright

    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("no chromium here, and in CI the browser tests must run")
        pytest.skip("no chromium on the PATH")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def notebook(lab: Lab, chromium: object) -> Iterator[Callable[..., OpenNotebook]]:
    """`notebook(name, cells)` writes a notebook, opens it in JupyterLab, and runs all of it;
    `within="notebooks"` does so in Notebook 7, and `within="voila/render"` in Voila."""
    context = chromium.new_context(  # type: ignore[attr-defined]
        viewport={"width": 1440, "height": 900}, accept_downloads=True
    )
    context.set_default_timeout(60_000)
    page = context.new_page()
    opened = OpenNotebook(page)
    page.on("pageerror", lambda error: opened.problems.append(f"page error: {error}"))
    page.on(
        "console",
        lambda m: opened.problems.append(f"console: {m.text}") if m.type == "error" else None,
    )
    own = (lab.url, lab.url.replace("http", "ws"), "data:", "blob:")
    page.on(
        "request",
        lambda r: None if r.url.startswith(own) else opened.problems.append(f"external: {r.url}"),
    )

    def run(name: str, cells: list[str], within: str = "lab/tree") -> OpenNotebook:
        book = nbformat.v4.new_notebook(
            metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
            cells=[nbformat.v4.new_code_cell(cell) for cell in cells],
        )
        nbformat.write(book, lab.folder / name)
        page.goto(f"{lab.url}/{within}/{name}" + ("?reset" if within == "lab/tree" else ""))
        if within == "voila/render":
            return opened
        page.wait_for_function(KERNEL_READY)
        page.evaluate(RUN_ALL)
        page.wait_for_function(ALL_RUN)
        return opened

    yield run
    try:
        page.evaluate("() => window.jupyterapp?.serviceManager.sessions.shutdownAll()")
    finally:
        context.close()
