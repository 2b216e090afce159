"""What the user waits for, in a real JupyterLab and Chromium.

    python tests/benchmarks/screen.py                  # N = 1k, 60k, 253k; d = 40; n = 100
    python tests/benchmarks/screen.py --pools 1000 --shots pictures/

From the press of a key to the next galaxy (its picture in the page, and painted) and to the map
repainted, each the median and the slowest of `--looks` ratings; and from `anomaly-zoo lab` to the
first galaxy on the screen, with an empty cache and again. Needs Chromium.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from jupyter_page import CANVASES, CHROMIUM_FLAGS

CELL = """
import io, sys, resource, numpy as np, anomaly_zoo as az
from PIL import Image
sys.path.insert(0, {here!r})
from scale_pool import make
X, rows, scores = make({n}, {d}, {rated})
ids = [f"J{{i:07d}}" for i in range({n})]
y, x = np.mgrid[-1:1:212j, -1:1:212j]
def galaxy(row):
    r = np.random.default_rng(int(row["id_str"][1:]))
    a, q = r.uniform(0.1, 0.4), r.uniform(0.3, 1)
    light = np.exp(-np.hypot(x / a, y / (a * q)))[..., None] * r.uniform(0.5, 1, 3)
    return (255 * np.clip(light + 0.05 * r.random((212, 212, 3)), 0, 1)).astype(np.uint8)
catalog = az.Catalog({{"id_str": ids}}, cutouts=galaxy, name="benchmark")
session = az.Session(az.Representation(ids, X), catalog)
for row, score in zip(rows, scores):
    session.rate(ids[row], score)
az.explore(session)
"""
WATCH = (
    "() => { const canvases = ("
    + CANVASES
    + """)();
  const small = new OffscreenCanvas(96, 54).getContext("2d", { willReadFrequently: true });
  window.mapNow = () => {
    small.clearRect(0, 0, 96, 54);
    for (const canvas of canvases) small.drawImage(canvas, 0, 0, 96, 54);
    return small.getImageData(0, 0, 96, 54).data;
  };
}"""
)
RATE = """async (key) => {
  const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
  const picture = () => document.querySelector(".az-frame img");
  const differs = (a, b) => { let n = 0; for (let i = 0; i < a.length; i++) n += a[i] !== b[i];
    return n; };
  while (document.querySelector(".az-status").dataset.level !== "ready" || !picture())
    await frame();
  await new Promise((resolve) => setTimeout(resolve, 700));
  const [old, before, start] = [picture(), window.mapNow(), performance.now()];
  window.dispatchEvent(new KeyboardEvent("keydown", { key }));
  const swapped = picture() !== old ? performance.now() - start : null;
  await frame();
  const painted = performance.now() - start;
  // The cross and the rings move first; many changed pixels mean that the map was recoloured.
  while (differs(before, window.mapNow()) < 0.01 * 4 * 96 * 54) {
    if (performance.now() - start > 5000) return [swapped, painted, null]; // hardly any change
    await frame();
  }
  return [swapped, painted, performance.now() - start];
}"""


def milliseconds(values: list[float]) -> str:
    return f"{np.median(values):.0f} ({max(values):.0f})"


def lab(folder: Path, environment: dict[str, str]) -> tuple[subprocess.Popen[str], str]:
    command = [sys.executable, "-m", "anomaly_zoo.cli", "lab", str(folder), "--no-browser"]
    errors = open(folder.parent / "errors.txt", "w")  # noqa: SIM115 - as long as the process
    server = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True
    )
    assert server.stdout is not None
    return server, next(line.strip() for line in server.stdout if "token=" in line)


def stop(server: subprocess.Popen[str]) -> None:
    server.send_signal(signal.SIGINT)
    server.communicate(timeout=60)


def new_home() -> tuple[Path, dict[str, str]]:
    """An empty home, and the environment of somebody who lives there: no settings, no cache."""
    home = Path(tempfile.mkdtemp())
    environment = {k: v for k, v in os.environ.items() if not k.startswith("JUPYTER")} | {
        "HOME": str(home),
        "ANOMALY_ZOO_CACHE": str(home / "cache"),
        "PYTHONUNBUFFERED": "1",
    }
    return home, environment


def main() -> None:
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pools", type=int, nargs="*", default=[1_000, 60_000, 253_286])
    parser.add_argument("--dimensions", type=int, default=40)
    parser.add_argument("--rated", type=int, default=100)
    parser.add_argument("--looks", type=int, default=12)
    parser.add_argument("--shots", type=Path, help="a folder for screenshots")
    options = parser.parse_args()
    home, environment = new_home()
    executable = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=CHROMIUM_FLAGS)

        print("| anomaly-zoo lab | until the URL, s | until the first galaxy, s |")
        print("|---|---|---|")
        for cache in ("empty cache", "again"):
            began = time.perf_counter()
            server, url = lab(home / "notebooks", environment)
            served = time.perf_counter() - began
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.goto(url)
            page.wait_for_selector(".az-frame img", timeout=120_000)
            print(f"| {cache} | {served:.1f} | {time.perf_counter() - began:.1f} |", flush=True)
            page.close()
            stop(server)

        print(f"\nd = {options.dimensions}, n = {options.rated} rated; ms, median (slowest)")
        print("| N | key -> next picture in the page | painted | map repainted | kernel peak MB |")
        print("|---|---|---|---|---|")
        for n in options.pools:
            cell = CELL.format(
                here=str(Path(__file__).parent), n=n, d=options.dimensions, rated=options.rated
            )
            peak = "print('PEAK', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10)"
            book = nbformat.v4.new_notebook(
                metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
                cells=[nbformat.v4.new_code_cell(cell), nbformat.v4.new_code_cell(peak)],
            )
            server, url = lab(home / "notebooks", environment)
            nbformat.write(book, home / "notebooks" / f"pool-{n}.ipynb")
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.set_default_timeout(120_000)
            page.goto(url.replace("01_find_anomalies", f"pool-{n}") + "&reset")
            page.wait_for_selector(".jp-Notebook")
            page.wait_for_timeout(3000)
            page.keyboard.press("Control+Home")
            page.click(".jp-Notebook .jp-Cell >> nth=0")
            page.keyboard.press("Shift+Enter")
            page.wait_for_selector('.az-pane[data-ready="1"]')
            page.wait_for_selector('.az-status[data-level="ready"]')
            page.evaluate("document.querySelector('.az-root').scrollIntoView()")
            page.wait_for_timeout(2000)
            page.click(".az-id")
            page.evaluate(WATCH)
            results = [page.evaluate(RATE, str(5 * (i % 2))) for i in range(options.looks)]
            swapped, painted, mapped = (
                [v for v in column if v is not None] for column in zip(*results, strict=True)
            )
            page.click(".jp-Notebook .jp-CodeCell >> nth=1")
            page.keyboard.press("Shift+Enter")
            page.wait_for_selector('.jp-OutputArea-output:has-text("PEAK")')
            said = page.inner_text('.jp-OutputArea-output:has-text("PEAK")').split()[1]
            print(
                f"| {n:,} | {milliseconds(swapped)} | {milliseconds(painted)} "
                f"| {milliseconds(mapped)} | {float(said):.0f} |",
                flush=True,
            )
            if options.shots:
                options.shots.mkdir(exist_ok=True)
                page.locator(".az-root").screenshot(path=options.shots / f"tool-{n}.png")
            page.close()
            stop(server)
        browser.close()
    shutil.rmtree(home)


if __name__ == "__main__":
    main()
