"""Where the map puts its objects: by looks, on the sky, by columns or as given, as chosen."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from anomaly_zoo.cache import cache_folder
from anomaly_zoo.projection import umap_map_apart
from anomaly_zoo.session import Session
from anomaly_zoo.tables import replacing
from anomaly_zoo.ui.layouts import Layout, by_columns, choices, coordinates, layout, numeric_columns
from anomaly_zoo.ui.map import GalaxyMap

VERSION = 1
"""Of how a UMAP is made: those that other versions kept are made anew."""
COLUMNS = "columns"
"""The choice of any two columns, which are chosen beside."""


class Arrangement:
    """Lays the map out as its bar says: by UMAP unless asked for something else.

    The UMAP comes from the cache or is made in the background, and the map shows the PCA until it
    is there. What cannot be laid out is said in the bar, and the map stays as it is.
    `soon(function, *args)` has the thread that owns the views call the function.
    """

    def __init__(
        self,
        session: Session,
        given: Mapping[str, np.ndarray] | None,
        galaxies: GalaxyMap,
        soon: Callable[..., None],
    ) -> None:
        self._session, self._map, self._soon = session, galaxies, soon
        self._given = coordinates(given, len(session.space))
        own = {name: held for name, held in self._given.items() if name != "umap"}
        self._names = choices(session.catalog, own)
        self._closed = threading.Event()
        self._shown = "pca"
        self._layouts = ThreadPoolExecutor(1, thread_name_prefix="anomaly_zoo-layout")
        bar = galaxies.bar
        bar.axes = list(numeric_columns(session.catalog)) if session.catalog else []
        if len(bar.axes) > 1:
            bar.x, bar.y = bar.axes[:2]
            self._names[COLUMNS] = "Two columns"
        bar.layouts = [{"value": value, "text": text} for value, text in self._names.items()]
        bar.arrangement, bar.about = "umap", "PCA, UMAP soon"
        bar.observe(lambda _: self._soon(self._chosen), ["arrangement", "x", "y"])
        if "umap" in self._given:
            self._chosen()
        else:
            threading.Thread(target=self._project, name="anomaly_zoo-umap", daemon=True).start()

    def close(self) -> None:
        """Stop working."""
        self._closed.set()
        self._layouts.shutdown(wait=False, cancel_futures=True)

    @property
    def _choice(self) -> str:
        bar = self._map.bar
        return by_columns(bar.x, bar.y) if bar.arrangement == COLUMNS else bar.arrangement

    def _chosen(self) -> None:
        choice = self._choice
        if choice == "umap" and "umap" not in self._given:
            choice = "pca"
        if choice != self._shown:
            with contextlib.suppress(RuntimeError):  # the tool was closed meanwhile
                self._layouts.submit(self._lay, choice)

    def _lay(self, choice: str) -> None:
        try:
            session = self._session
            made = layout(choice, session.space, session.catalog, self._given)
        except Exception as error:
            self._soon(self._say, str(error))
            return
        self._soon(self._place, choice, made)

    def _place(self, choice: str, made: Layout) -> None:
        wanted = self._choice
        waiting = wanted == "umap" and "umap" not in self._given
        if choice != wanted and not (waiting and choice == "pca"):
            return  # something else was chosen meanwhile
        self._shown = choice
        self._map.place(made.xy, made.grid)
        if waiting:
            self._say("PCA, UMAP soon")
        else:
            lost = int(np.isnan(made.xy[:, 0]).sum())
            name = self._names.get(choice, "")
            self._say(f"{name} · {lost:,} without a position".lstrip(" ·") if lost else name)

    def _say(self, about: str) -> None:
        self._map.bar.about = about

    def _project(self) -> None:
        """The UMAP of this representation, from the cache or computed now."""
        space, seed = self._session.space, self._session.seed
        file = cache_folder() / f"umap-{VERSION}-{space.hash}-{seed}.npy"
        try:
            xy = _read_map(file, len(space))
            if xy is None:
                xy = umap_map_apart(space, seed, self._closed.is_set, self._far)
                _write_map(file, xy)
        except Exception as error:
            self._soon(self._say, f"PCA (no UMAP: {error})")
            return
        self._soon(self._projected, xy)

    def _far(self, share: float) -> None:
        self._soon(self._waiting, f"PCA, UMAP {share:.0%}")

    def _waiting(self, about: str) -> None:
        if self._map.bar.arrangement == "umap":
            self._say(about)

    def _projected(self, xy: np.ndarray) -> None:
        self._given["umap"] = made = Layout(xy)
        if self._choice == "umap":
            self._place("umap", made)


def _read_map(file: Path, n: int) -> np.ndarray | None:
    try:
        with open(file, "rb") as opened:
            xy = np.load(opened, allow_pickle=False)
        return xy if xy.shape == (n, 2) and np.isfinite(xy).all() else None
    except Exception:  # not there, or damaged in whatever way
        return None


def _write_map(file: Path, xy: np.ndarray) -> None:
    # A map that could not be kept is only computed again.
    with contextlib.suppress(OSError), replacing(file) as part:
        np.save(part, xy)
