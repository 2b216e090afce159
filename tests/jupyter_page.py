"""What the browser tests share: how to start Chromium, when a notebook is ready, what it shows."""

from __future__ import annotations

import socket
import subprocess
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anomaly_zoo.ratings import Event, read_events

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
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
# How many pixels of the map have each colour.
COLOURS = (
    "() => { const canvases = ("
    + CANVASES
    + """)();
  const colours = {};
  for (const canvas of canvases) {
    const context = canvas.getContext("2d");
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    for (let i = 0; i < data.length; i += 4) {
      if (data[i + 3] < 200) continue;
      const colour = (data[i] << 16) | (data[i + 1] << 8) | data[i + 2];
      colours[colour] = (colours[colour] ?? 0) + 1;
    }
  }
  return colours;
}"""
)
PICTURE = ".az-frame img"
RUN_ALL = """async () => {
  const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
  await kernel.info;
  window.jupyterapp.shell.collapseLeft?.();
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


def shown(page: Any) -> str:
    return str(page.inner_text(".az-id"))


def rated(page: Any) -> int:
    return int(page.inner_text(".az-rated b").replace(",", ""))


def ready(page: Any) -> None:
    page.wait_for_selector(PICTURE)
    page.wait_for_selector('.az-pane[data-ready="1"]')
    page.wait_for_selector('.az-status[data-level="ready"]')
    page.evaluate("document.querySelector('.az-root').scrollIntoView()")


def execute(page: Any, code: str) -> None:
    """Start code in the kernel and do not wait for it."""
    page.evaluate(
        "code => void window.jupyterapp.shell.currentWidget.sessionContext.session.kernel"
        ".requestExecute({code})",
        code,
    )


def acts(path: Path) -> list[Event]:
    return list(read_events(path)) if path.exists() else []


def press(page: Any, keys: str) -> list[str]:
    """Press the keys one by one as soon as there is a galaxy; the ids that were on the screen."""
    ids = []
    for key in keys:
        page.wait_for_selector(PICTURE)
        ids.append(shown(page))
        page.keyboard.press(key)
    return ids
