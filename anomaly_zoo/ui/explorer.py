"""The notebook tool: connects one Session to the views, which know nothing of each other."""

from __future__ import annotations

import contextlib
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ipywidgets
import numpy as np

from anomaly_zoo.acquisition import expected_improvement
from anomaly_zoo.cache import cache_folder
from anomaly_zoo.highest import highest
from anomaly_zoo.interest import InterestModel
from anomaly_zoo.neighbours import nearest
from anomaly_zoo.posterior import INTERESTING
from anomaly_zoo.progress import TOP, Progress
from anomaly_zoo.projection import pca_map, umap_map_apart
from anomaly_zoo.ratings import Event, Opinions, live
from anomaly_zoo.session import Session, State
from anomaly_zoo.start import POOL
from anomaly_zoo.sweep import BLOCK, everywhere
from anomaly_zoo.tables import replacing
from anomaly_zoo.ui.colours import Colouring, by_density, by_interest, by_uncertainty
from anomaly_zoo.ui.finder import Finder
from anomaly_zoo.ui.gallery import Gallery
from anomaly_zoo.ui.map import GalaxyMap
from anomaly_zoo.ui.panels import Curve, Header, Outlook
from anomaly_zoo.ui.pictures import PictureDesk, Pictures
from anomaly_zoo.ui.viewer import Viewer

AHEAD = 24
"""Galaxies chosen in advance, so that fast fingers never wait."""
SHOWN = 24
"""Galaxies in a row of the gallery."""
MARKED = 8
"""Neighbours ringed on the map."""
PATIENCE = 1.0
"""Seconds after which is said how far an update of the model is, and the queue goes before it."""
BEHIND = 60
"""How far back the arrow keys reach."""
FORMATS = ("csv", "parquet", "ecsv", "fits", "vot")

_open: dict[tuple[str, str], Explorer] = {}
"""The tool on the screen for a ratings file and a rater: one at a time."""


def explore(session: Session) -> Explorer:
    """Show the notebook tool for a session: put it last in a cell.

    Keys 0 to 5 rate, S skips, X flags an artefact, Z takes the last one back, the arrow keys look
    back. Calling it again for the same session closes the tool that was open before.
    """
    if not isinstance(session, Session):
        raise TypeError(
            f"explore shows an az.Session, got {type(session).__name__}; "
            "make one: session = az.Session(features, catalog)"
        )
    key = (session.log.uid, session.rater)
    if key in _open:
        _open[key].give_way()
    _open[key] = Explorer(session)
    return _open[key]


@dataclass(frozen=True, eq=False)
class Frame:
    """What the views show of one State beside the queue, prepared away from the desk."""

    state: State
    gallery: list[dict[str, Any]]
    about: str
    near: np.ndarray
    colouring: Colouring
    rate_expected: float
    progress: Progress


class Explorer:
    """The tool on the screen. Views only set traits and send messages; here they are answered.

    One thread, the desk, owns the views: whatever the browser sends and whatever is to be shown is
    done there in order, so the tool lives on while a cell of the notebook runs. Another thread fits
    the model: it takes the log as it stands, hands what to look at next to the desk and then a
    Frame for the other views, prepares for the rating of the galaxy on the screen, and drops that
    as soon as there is more to do. Where an update takes long, the queue follows the ratings all
    the same: it then comes from those that were best before, judged by all ratings.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self._desk = ThreadPoolExecutor(1, thread_name_prefix="anomaly_zoo-desk")
        self._drawn: State | None = None
        self._troubles: dict[str, str] = {}
        self._frame: Frame | None = None
        self._led: State | None = None
        self._since = 0.0
        self._closed = threading.Event()
        self._wake = threading.Event()
        catalog = session.catalog
        self._pictures = PictureDesk(Pictures(catalog))
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="anomaly_zoo-export")

        title = (catalog.name if catalog else "") or session.representation.name
        count = f"{len(session.representation):,} galaxies"
        self.header = Header(subtitle=" · ".join(part for part in (title, count) if part))
        self.finder = Finder(total=len(session.representation))
        self.viewer = Viewer(log_uid=f"{session.log.uid}:{session.rater}")
        self.map = GalaxyMap(
            pca_map(session.space), self._tapped, self._soon, on_hover=self._hovered
        )
        self.gallery = Gallery()
        self.curve = Curve()
        self.outlook = Outlook()
        panel = ipywidgets.VBox([self.map.bar, self.map.tip, self.map.pane])
        panel.add_class("az-map")
        views = [
            self.header,
            self.finder,
            self.viewer,
            panel,
            self.gallery,
            self.curve,
            self.outlook,
        ]
        grid = ipywidgets.Box(views)
        grid.add_class("az-grid")
        self.root = ipywidgets.Box([grid])
        self.root.add_class("az-root")
        self._widgets = [self.root, grid, *views, *panel.children]

        for view, answer in (
            (self.viewer, self._from_viewer),
            (self.gallery, self._from_gallery),
            (self.header, self._from_header),
            (self.map.tip, self._from_tip),
        ):
            view.on_msg(lambda _, content, __, answer=answer: self._soon(answer, content))
        self.viewer.observe(lambda change: self._soon(self._looked, change["new"]), "shown")
        self.gallery.observe(lambda _: self._update(), "tab")
        self.map.bar.observe(lambda _: self._update(), "colour")
        self._unsubscribe = session.subscribe(lambda: self._soon(self._acted))
        self._acted()
        self.map.bar.about = "PCA, UMAP is on its way…"
        for name, work in (("model", self._work), ("umap", self._project)):
            threading.Thread(target=work, name=f"anomaly_zoo-{name}", daemon=True).start()

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return self.root._repr_mimebundle_(**options)

    def close(self) -> None:
        """End the tool: its threads stop and its views leave the page. Nothing is lost."""
        self._stop()
        for widget in self._widgets:  # from the outside in: no box is left to lay out anew
            widget.close()

    def give_way(self) -> None:
        """End the tool for another one, perhaps before the browser has built its views.

        They are hidden at once and closed when they are built: ipywidgets cannot build what is
        closed. The empty box stays, for a page that is loaded again looks for it.
        """
        self._stop()
        self.root.layout.display = "none"
        self.viewer.observe(lambda _: self._clear(), "built")
        if self.viewer.built:
            self._clear()

    def _clear(self) -> None:
        self.root.children = ()
        for widget in self._widgets[1:]:
            widget.close()

    def _stop(self) -> None:
        if self._closed.is_set():
            return
        self._closed.set()
        self._wake.set()
        key = (self.session.log.uid, self.session.rater)
        if _open.get(key) is self:
            del _open[key]
        self._unsubscribe()
        self._pictures.close()
        self.map.close()
        self._desk.shutdown(wait=False)  # what was sent is still written
        self._threads.shutdown(wait=False, cancel_futures=True)

    # Threads

    def _soon(self, function: Callable[..., None], *args: Any) -> None:
        """Have the desk call the function; what goes wrong there is said in the status."""

        def call() -> None:
            try:
                function(*args)
            except Exception as error:
                self._report("tool", f"{type(error).__name__}: {error}")

        with contextlib.suppress(RuntimeError):  # the tool was closed meanwhile
            self._desk.submit(call)

    def _work(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            if self._closed.is_set():
                return
            self._since = time.monotonic()
            try:
                state = self.session.update(self._far, self._closed.is_set)
                self._lead(state)
                self._frame = self._prepare(state)
                self._soon(self.show, self._frame)
                if shown := self.viewer.shown:
                    self.session.prepare(shown, self._wake.is_set)
            except InterruptedError:
                continue  # there is something new to do
            except Exception as error:
                trouble = f"model not updated, your ratings are kept: {error}"
                self._soon(self._report, "model", trouble)

    def _update(self) -> None:
        self._wake.set()

    def _far(self, share: float) -> None:
        """Four times a second, when the model takes longer than one: say how far it is, and have
        the queue follow what was rated since."""
        now = time.monotonic()
        if now - self._since > PATIENCE:
            self._since = now - PATIENCE + 0.25
            self._soon(self._report, "model", "", f"updating model… {share:.0%}")
            if self.session.latest is not None:
                self._lead(self.session.latest)
            elif {item["id"] for item in self.viewer.queue} <= _seen(self.session.opinions):
                self._soon(setattr, self.viewer, "queue", self._glimpse())

    def _report(self, part: str, trouble: str = "", busy: str = "updating model…") -> None:
        """Note what is wrong with a part (nothing, when empty) and bring the status up to date."""
        self._troubles.pop(part, None)
        if trouble:
            self._troubles[part] = trouble
        current = self._drawn is not None and self._drawn.n_events == len(self.session.log.events)
        level, status = ("ready", "ready") if current else ("busy", busy)
        if self._troubles:
            level, status = "error", next(iter(self._troubles.values()))
        self.header.level, self.header.status = level, status

    # From the session to the views

    def _acted(self) -> None:
        """The log has grown: count, remember, and ask for a new State."""
        scores = list(self.session.opinions.mean_scores.values())
        self.header.n_rated = len(scores)
        self.header.n_found = sum(score >= INTERESTING for score in scores)
        self.curve.found = np.cumsum(np.array(scores, dtype=float) >= INTERESTING).tolist()
        mine = live(self.session.log.events, self.session.rater)
        self.viewer.history = [self._act(event) for event in mine[-BEHIND:]]
        self._report("tool")
        self._update()

    def _act(self, event: Event) -> dict[str, Any]:
        return {
            "id": event.id_str,
            "position": self._position(event.id_str),
            "interest": event.interest,
            "std": event.interest_std,
            "rank": None,
            "reason": event.reason,
            "act": event.kind,
            "token": event.token,
            "score": event.score,
        }

    def _lead(self, state: State) -> None:
        """Choose what to look at next by all that was rated, unless that is shown already."""
        led, n_events = self._led, len(self.session.log.events)
        if led is not None and led.n_events == n_events and led.posterior is state.posterior:
            return
        if state.n_events != n_events:
            state = self.session.abreast(state)
        picks = self.session.picks(AHEAD, state)
        rows = [self._row(pick.id_str) for pick in picks]
        queue = self._items(rows, [pick.reason for pick in picks], state)
        self._soon(self.lead, state, queue)
        self._led = state

    def _glimpse(self) -> list[dict[str, Any]]:
        """What to look at while ratings of another day are applied to all objects for the first
        time: the most promising of a sample."""
        session, held = self.session, self.session.opinions
        means, known = held.mean_scores, session.representation
        scores = np.array(list(means.values()), dtype=np.float64)
        rated = session.space.take(known.rows(list(means)))
        model = InterestModel.condition(rated, scores, session.hypotheses)
        rows, X = session.space.sample(POOL, [session.seed, len(session.space)])
        belief = model.posterior(X)
        open_ = ~np.isin(rows, known.rows(sorted(_seen(held))))
        bar = float(belief.mean[highest(belief.mean, TOP, open_)].min(initial=np.inf))
        gain = expected_improvement(belief, best_f=bar)
        return [
            {
                "id": str(known.ids[rows[place]]),
                "position": self._position(str(known.ids[rows[place]])),
                "interest": float(belief.mean[place]),
                "std": float(belief.std[place]),
                "rank": None,
                "reason": f"promising among {len(rows):,}",
                "score": None,
            }
            for place in highest(gain, AHEAD, open_)
        ]

    def _prepare(self, state: State) -> Frame:
        """Everything slow about showing a State; runs on the worker thread."""
        shown = self.viewer.shown
        near = np.array([], dtype=int)
        if shown:
            space, row = self.session.space, self._row(shown)
            [query] = space.take(np.array([row]))
            near = nearest(space, query, min(SHOWN + 1, len(space))).rows
            near = near[near != row][:SHOWN]
        rows, about = self._gallery_rows(state, shown, near)
        gallery = self._items(rows.tolist(), ["chosen in the gallery"] * len(rows), state)
        last = self._frame
        if last is not None and last.state is state:
            expected, progress = last.rate_expected, last.progress
        else:
            expected = float(state.p_interesting.mean())
            progress = self.session.progress(state)
        return Frame(state, gallery, about, near, self._colouring(state), expected, progress)

    def _gallery_rows(self, state: State, shown: str, near: np.ndarray) -> tuple[np.ndarray, str]:
        if self.gallery.tab == "near":
            return near, f"closest to {shown}" if shown else "no galaxy on the screen"
        if self.gallery.tab == "rated":
            best = np.argsort(-state.scores, kind="stable")
            return state.rated[best][:SHOWN], f"{len(best)} rated, best first"
        unrated = ~state.artefact
        unrated[state.rated] = False
        return highest(state.posterior.mean, SHOWN, unrated), "by the present model, not yet rated"

    def _colouring(self, state: State) -> Colouring:
        match self.map.bar.colour:
            case "interest":
                return by_interest(state.posterior)
            case "uncertainty":
                return by_uncertainty(state.posterior)
            case _:
                return by_density()

    def lead(self, state: State, queue: list[dict[str, Any]]) -> None:
        """Show what a State chose, before everything else; runs on the desk."""
        self.viewer.queue = queue
        self.viewer.done = not queue
        self.map.mark("rated", state.rated, state.scores)
        if self.gallery.tab == "top":  # which are the best is known later, which were rated now
            said = state.opinions.scores.keys() | state.opinions.artefacts
            self.gallery.items = [item for item in self.gallery.items if item["id"] not in said]

    def show(self, frame: Frame) -> None:
        """Bring the other views up to a Frame; runs on the desk."""
        state, last = frame.state, self._drawn
        if last is not state:
            self.curve.expected = frame.rate_expected
            self.outlook.advice = frame.progress.advice
            self.outlook.facts = facts(frame.progress)
            self._drawn = state
        self.gallery.items = frame.gallery
        self.gallery.about = frame.about
        self.map.mark("near", frame.near[:MARKED])
        recolour = frame.colouring.name != self.map.colouring.name
        if last is None or last.posterior is not state.posterior or recolour:
            self.map.colour(frame.colouring)
        self._report("model")

    def _items(
        self, rows: Sequence[int], reasons: Sequence[str], state: State
    ) -> list[dict[str, Any]]:
        """Some galaxies as the views show them."""
        items = []
        for row, reason, rank in zip(rows, reasons, _ranks(rows, state), strict=True):
            id_str = str(self.session.representation.ids[row])
            score = state.opinions.scores.get(id_str)
            items.append(
                {
                    "id": id_str,
                    "position": self._position(id_str),
                    "interest": float(state.posterior.mean[row]),
                    "std": float(state.posterior.std[row]),
                    "rank": rank if len(state.rated) else None,
                    "reason": reason,
                    "score": sum(score.values()) / len(score) if score else None,
                }
            )
        return items

    def _row(self, id_str: str) -> int:
        return self.session.representation.row(id_str)

    def _position(self, id_str: str) -> str:
        catalog = self.session.catalog
        if catalog is None:
            return ""
        where = catalog.position(id_str)
        if where:
            return f"{where[0]:.5f} {where[1]:+.5f}"
        record = catalog.record(id_str)
        x, y = record.get("x"), record.get("y")
        if isinstance(x, int | float) and isinstance(y, int | float):
            return f"x {x:.0f}, y {y:.0f} px"
        return ""

    def _project(self) -> None:
        """The UMAP of this representation, from the cache or computed now."""
        space = self.session.space
        file = cache_folder() / f"umap-{space.hash}-{self.session.seed}.npy"
        try:
            xy = _read_map(file, len(space))
            if xy is None:
                xy = umap_map_apart(space, self.session.seed, self._closed.is_set, self._placed)
                _write_map(file, xy)
        except Exception as error:
            self._soon(setattr, self.map.bar, "about", f"PCA (no UMAP: {error})")
            return
        self._soon(self._place, xy)

    def _placed(self, share: float) -> None:
        self._soon(setattr, self.map.bar, "about", f"PCA, UMAP {share:.0%}")

    def _place(self, xy: np.ndarray) -> None:
        self.map.place(xy)
        self.map.bar.about = "UMAP"

    # From the views to the session

    def _from_viewer(self, content: dict[str, Any]) -> None:
        if content.get("kind") == "need":
            self._pictures.serve(self.viewer, content)
            return
        for act in content.get("acts", []):
            token = str(act.get("token", ""))
            try:
                self._perform(act, token)
            except Exception as error:  # whatever it was, the browser has to know
                self._report("save", f"not saved: {error}")
                self.viewer.refused(token, str(error))
            else:
                self.viewer.saved(token)
                self._report("save")

    def _perform(self, act: dict[str, Any], token: str) -> None:
        """Store one act of the viewer; one that came before, by its token, is only confirmed."""
        if any(event.token == token for event in reversed(self.session.log.events)):
            return
        id_str = str(act.get("id", ""))
        why = {"reason": str(act.get("reason", ""))[:200], "token": token}
        match act.get("act"):
            case "rate":
                self.session.rate(id_str, act.get("score", "none"), **why)
            case "skip":
                self.session.skip(id_str, **why)
            case "artefact":
                self.session.flag(id_str, "artefact", **why)
            case "undo":
                self.session.undo(of=str(act.get("undoes", "")), token=token)
            case other:
                raise ValueError(f"the viewer sent an unknown act {other!r}")

    def _from_gallery(self, content: dict[str, Any]) -> None:
        if content.get("kind") == "need":
            self._pictures.serve(self.gallery, content)
        elif content.get("kind") == "view":
            self._look(self._row(str(content.get("id"))), "chosen in the gallery")

    def _tapped(self, row: int) -> None:
        self._look(row, "chosen on the map")

    def _hovered(self, row: int | None) -> None:
        item = None
        if row is not None and self._drawn is not None:
            [item] = self._items([row], [""], self._drawn)
        self.map.tip.show(item)

    def _from_tip(self, content: dict[str, Any]) -> None:
        if content.get("kind") == "need":
            self._pictures.serve(self.map.tip, content)

    def _look(self, row: int, reason: str) -> None:
        if self._drawn is not None:
            [item] = self._items([row], [reason], self._drawn)
            self.viewer.look(item)

    def _looked(self, id_str: str) -> None:
        """Another galaxy is on the screen: mark it at once, its neighbours follow."""
        if id_str:
            self.map.mark("current", np.array([self._row(id_str)]))
            self.map.mark("near", np.array([], dtype=int))  # those were of the galaxy before
            self._update()

    def _from_header(self, content: dict[str, Any]) -> None:
        if content.get("kind") == "export" and content.get("format") in FORMATS:
            self._threads.submit(self._export, str(content["format"]))

    def _export(self, suffix: str) -> None:
        """Write the ranking as `Session.export` does and hand it to the browser to save."""
        try:
            with tempfile.TemporaryDirectory() as folder:
                path = self.session.export(Path(folder) / f"anomalies.{suffix}")
                data = path.read_bytes()
        except Exception as error:
            self._soon(self._report, "export", f"export failed: {error}")
            return
        self._soon(self._report, "export")
        self._soon(self.header.send, {"kind": "file", "name": f"anomalies.{suffix}"}, [data])


def facts(progress: Progress) -> list[dict[str, str]]:
    """What is known of the predictions, for the outlook; what nothing is known of is left out."""
    checks, held, hidden = progress.precision, progress.covered, progress.artefacts
    said = []
    if checks.n:
        said.append(
            {
                "name": f"top-{TOP} checks",
                "value": f"{checks.k} of {checks.n} good",
                "about": f"The last {checks.n} galaxies drawn at random from the {TOP} best not "
                f"yet rated: {checks.k} got 4 or 5. With a probability of 90% that is the case of "
                f"{checks.low:.0%} to {checks.high:.0%} of such ones.",
            }
        )
    if held.n:
        said.append(
            {
                "name": "in 90% intervals",
                "value": f"{held.k} of {held.n}",
                "about": "How many ratings lay within the interval of 90% that was predicted "
                "before the look: honest predictions hold nine of ten.",
            }
        )
    if hidden:
        said.append(
            {
                "name": "likely artefacts",
                "value": f"{hidden:,} left out",
                "about": "Like those that were flagged and unlike all that were rated; "
                "session.ranking(artefacts=True) lists them.",
            }
        )
    return said


def _seen(held: Opinions) -> set[str]:
    """The ids of all that was rated, skipped or flagged."""
    return {*held.scores, *held.skipped, *held.artefacts}


def _ranks(rows: Sequence[int], state: State) -> list[int]:
    """The exact places of some rows in the ranking, from 1, in one pass over all objects."""
    means = state.posterior.mean
    values = means[list(rows)]

    def above(means: np.ndarray) -> np.ndarray:
        return np.array([np.count_nonzero(means > value) for value in values], dtype=int)

    before = sum(everywhere(lambda first: above(means[first : first + BLOCK]), len(means)))
    return (before - above(means[state.hidden]) + 1).tolist()


def _read_map(file: Path, n: int) -> np.ndarray | None:
    try:
        xy = np.load(file, allow_pickle=False)
    except (OSError, ValueError):
        return None
    return xy if xy.shape == (n, 2) and np.isfinite(xy).all() else None


def _write_map(file: Path, xy: np.ndarray) -> None:
    # A map that could not be kept is only computed again.
    with contextlib.suppress(OSError), replacing(file) as part:
        np.save(part, xy)
