"""What the browser tests share: how to start Chromium, and when a notebook is ready."""

from __future__ import annotations

import socket
import subprocess
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
KERNEL_READY = """() => {
  const context = window.jupyterapp?.shell.currentWidget?.sessionContext;
  const kernel = context?.session?.kernel;
  return !!(context?.isReady && kernel?.connectionStatus === 'connected'
            && kernel?.status === 'idle');
}"""
ALL_RUN = r"""() => {
  const prompts = [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')];
  return prompts.length > 0 && prompts.every(prompt => /\[\d+\]/.test(prompt.textContent));
}"""
# All canvases of the map, through Bokeh's shadow roots.
CANVASES = """() => {
  const canvases = [];
  const walk = (node) => {
    if (node.tagName === "CANVAS" && node.width && node.height) canvases.push(node);
    for (const child of node.shadowRoot?.children ?? []) walk(child);
    for (const child of node.children ?? []) walk(child);
  };
  walk(document.querySelector(".az-pane"));
  return canvases;
}"""
RUN_ALL = """async () => {
  const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
  await kernel.info;
  window.jupyterapp.shell.collapseLeft();
  window.jupyterapp.commands.execute('notebook:run-all-cells');
}"""


@dataclass
class Lab:
    """A running JupyterLab and the folder that it shows."""

    url: str
    folder: Path


@dataclass
class OpenNotebook:
    """A notebook in the browser: Playwright's page, and what went wrong in it."""

    page: Any
    problems: list[str] = field(default_factory=list)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(url, timeout=2).read()
            return
        except OSError:
            if server.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"JupyterLab did not start:\n{log.read_text()}") from None
            time.sleep(0.1)
