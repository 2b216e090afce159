"""The notebook tool: connects one Session to the views, which know nothing of each other."""

from __future__ import annotations

import contextlib
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ipywidgets
import numpy as np

from anomaly_zoo.acquisition import expected_improvement
from anomaly_zoo.expression import Given
from anomaly_zoo.highest import highest
from anomaly_zoo.interest import InterestModel
from anomaly_zoo.posterior import INTERESTING
from anomaly_zoo.progress import TOP, Progress
from anomaly_zoo.projection import pca_map
from anomaly_zoo.ratings import Opinions, live
from anomaly_zoo.selection import Selection
from anomaly_zoo.session import Session, State
from anomaly_zoo.start import POOL
from anomaly_zoo.tags import tags_by_id
from anomaly_zoo.ui.arrangement import Arrangement
from anomaly_zoo.ui.asking import Asking
from anomaly_zoo.ui.colours import Colouring
from anomaly_zoo.ui.dyes import Dyes
from anomaly_zoo.ui.finder import Finder
from anomaly_zoo.ui.gallery import Gallery
from anomaly_zoo.ui.hanging import Hanging, Hung
from anomaly_zoo.ui.items import Items
from anomaly_zoo.ui.map import GalaxyMap
from anomaly_zoo.ui.mosaic import Mosaic
from anomaly_zoo.ui.panels import Curve, Header, Outlook, facts
from anomaly_zoo.ui.pictures import PictureDesk, Pictures
from anomaly_zoo.ui.viewer import Viewer

AHEAD = 24
"""Galaxies chosen in advance, so that fast fingers never wait."""
IN_TURN = 10_000
"""Galaxies of a selection that are looked through at most."""
TOGETHER = 100
"""Galaxies that are rated at once at most."""
MARKED = 8
"""Neighbours ringed on the map."""
PATIENCE = 1.0
"""Seconds after which is said how far an update of the model is, and the queue goes before it."""
BEHIND = 60
"""How far back the arrow keys reach."""
FORMATS = ("csv", "parquet", "ecsv", "fits", "vot")
SAVED = (*FORMATS, "png", "pdf", "reg")
AT_ONCE = 1000
"""Galaxies that are tagged at once at most."""

_open: dict[tuple[str, str], Explorer] = {}
"""The tool on the screen for a ratings file and a rater: one at a time."""


def explore(session: Session, coordinates: Mapping[str, np.ndarray] | None = None) -> Explorer:
    """Show the notebook tool for a session: put it last in a cell.

    Keys 0 to 5 rate, S skips, X flags an artefact, Z takes the last one back, the arrow keys look
    back; T gives a tag, M shows more like this, / finds galaxies in words. `coordinates` are (n, 2)
    arrays by name, in the order of the representation, by which the map can be laid out beside
    those it knows. `select` of what is returned shows a Selection. Calling it again for the same
    session closes the tool that was open before.
    """
    if not isinstance(session, Session):
        raise TypeError(
            f"explore shows an az.Session, got {type(session).__name__}; "
            "make one: session = az.Session(features, catalog)"
        )
    key = (session.log.uid, session.rater)
    if key in _open:
        _open[key].give_way()
    _open[key] = Explorer(session, coordinates)
    return _open[key]


@dataclass(frozen=True, eq=False)
class Frame:
    """What the views show of one State beside the queue, prepared away from the desk."""

    state: State
    hung: Hung
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
    the same: it then comes from those that were best before, judged by all ratings. A third one
    searches, by the last State there is, so that a selection never waits for the model.
    """

    def __init__(
        self, session: Session, coordinates: Mapping[str, np.ndarray] | None = None
    ) -> None:
        self.session = session
        self._desk = ThreadPoolExecutor(1, thread_name_prefix="anomaly_zoo-desk")
        self._drawn: State | None = None
        self._troubles: dict[str, str] = {}
        self._frame: Frame | None = None
        self._led: State | None = None
        self._leading = threading.Lock()
        self._since = 0.0
        self._closed = threading.Event()
        self._wake = threading.Event()
        catalog = session.catalog
        pictures = Pictures(catalog)
        self._pictures = PictureDesk(pictures)
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="anomaly_zoo-export")
        self._aside = ThreadPoolExecutor(1, thread_name_prefix="anomaly_zoo-search")
        self._items = Items(session)
        self._asking, self._dyes = Asking(session), Dyes(session)
        self._asked = 0  # the last question of how many match
        self._sent: list[int] = []  # rows that were asked for out of turn
        self._within: np.ndarray | None = None  # what the map is limited to

        title = (catalog.name if catalog else "") or session.representation.name
        count = f"{len(session.representation):,} galaxies"
        self.header = Header(subtitle=" · ".join(part for part in (title, count) if part))
        self.finder = Finder(
            total=len(session.representation),
            names=self._asking.names,
            images=session.encoder is not None,
        )
        self.viewer = Viewer(log_uid=f"{session.log.uid}:{session.rater}")
        self.map = GalaxyMap(
            pca_map(session.space),
            self._tapped,
            self._soon,
            on_hover=self._hovered,
            on_select=self._enclosed,
            on_place=self._wandered,
        )
        self.map.bar.colours = self._dyes.choices
        if catalog is not None and catalog.cutouts is not None:
            self.map.tile(Mosaic(pictures, session.representation.ids, self.map.repaint))
        self.gallery = Gallery()
        self._hanging = Hanging(session, self._items, self.gallery)
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
        self._arrangement = Arrangement(session, coordinates, self.map, self._soon)

        for view, answer in (
            (self.viewer, self._from_viewer),
            (self.gallery, self._from_gallery),
            (self.header, self._from_header),
            (self.map.tip, self._from_tip),
        ):
            view.on_msg(lambda _, content, __, answer=answer: self._soon(answer, content))
        self.finder.on_msg(lambda _, content, data: self._soon(self._from_finder, content, data))
        self.viewer.observe(lambda change: self._soon(self._looked, change["new"]), "shown")
        self.gallery.observe(lambda _: self._soon(self._turned), "tab")
        self.map.bar.observe(lambda _: self._soon(self._dyed), "colour")
        self._unsubscribe = session.subscribe(lambda: self._soon(self._acted))
        self._acted()
        threading.Thread(target=self._work, name="anomaly_zoo-model", daemon=True).start()

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
        self._arrangement.close()
        self.map.close()
        self._desk.shutdown(wait=False)  # what was sent is still written
        for threads in (self._threads, self._aside):
            threads.shutdown(wait=False, cancel_futures=True)

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

    def _search(self, function: Callable[..., None], *args: Any) -> None:
        """Have what may take a while done beside, by the last State; what cannot be found is said
        in the finder."""

        def attempt() -> None:
            state = self.session.latest
            if state is None:
                self._soon(self._say, "wait for the model, then ask again")
                return
            try:
                function(*args, state)
            except (ValueError, TypeError, OSError) as error:
                self._soon(self._say, str(error))
            except Exception as error:
                self._soon(self._report, "tool", f"{type(error).__name__}: {error}")

        with contextlib.suppress(RuntimeError):  # the tool was closed meanwhile
            self._aside.submit(attempt)

    def _say(self, trouble: str) -> None:
        self.finder.send({"kind": "trouble", "trouble": trouble})

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
                if self._frame is None or self._frame.state is not state:
                    self._frame = self._prepare(state)
                    self._soon(self.show, self._frame)
                else:
                    self._soon(self._report, "model")
                self._give_precedence()
                if shown := self.viewer.shown:
                    self.session.prepare(shown, self._wake.is_set)
            except InterruptedError:
                continue  # there is something new to do
            except Exception as error:
                trouble = f"model not updated, your ratings are kept: {error}"
                self._soon(self._report, "model", trouble)

    def _give_precedence(self) -> None:
        """Wait until what is searched has been found and its pictures are on their way, unless
        there is more to do for the model."""
        with contextlib.suppress(RuntimeError):  # the tool was closed meanwhile
            searched = self._aside.submit(bool)
            while not (searched.done() or self._wake.is_set()):
                wait([searched], timeout=0.01)
        end = time.monotonic() + PATIENCE
        while self._pictures.busy and time.monotonic() < end:
            if self._wake.wait(0.01):
                return

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
        with self.header.hold_sync():
            self.header.level, self.header.status = level, status

    # From the session to the views

    def _acted(self) -> None:
        """The log has grown: count, remember, and ask for a new State."""
        held = self.session.opinions
        scores = list(held.mean_scores.values())
        with self.header.hold_sync():
            self.header.n_rated = len(scores)
            self.header.n_found = sum(score >= INTERESTING for score in scores)
        self.curve.found = np.cumsum(np.array(scores, dtype=float) >= INTERESTING).tolist()
        mine = live(self.session.log.events, self.session.rater)
        self.viewer.history = self._items.acts(mine[-BEHIND:])
        self.viewer.tags = tags_by_id(held.tags)
        self.finder.tags = list(held.tags)
        self._report("tool")
        if held.limit != self.finder.limit and self.session.latest is not None:
            self._search(self._narrow)
        self._update()

    def _narrow(self, state: State) -> None:
        """Show at once what a new limit leaves, on the map first; the model follows."""
        state = self.session.abreast(state)
        self._soon(self._bound, state)
        self._fill(state)
        self._lead(state)
        if shown := self.viewer.shown:
            self._soon(self.map.then, lambda: self._search(self._surround, shown))

    def _bound(self, state: State) -> None:
        """Keep the map to the limit of a State."""
        n = len(state.open) if state.within is None else int(np.count_nonzero(state.within))
        with self.finder.hold_sync():
            self.finder.limit, self.finder.within = state.limit, n
        self._report("limit", state.limit_trouble and f"no limit: {state.limit_trouble}")
        if state.within is not self._within:
            self._within = state.within
            self.map.limit(state.within)

    def _lead(self, state: State) -> None:
        """Choose what to look at next by all that was rated, unless that is shown already."""
        with self._leading:
            led, n_events = self._led, len(self.session.log.events)
            if led is not None and led.n_events == n_events and led.posterior is state.posterior:
                return
            if state.n_events != n_events:
                state = self.session.abreast(state)
            picks = self.session.picks(AHEAD, state)
            seen = set(state.seen.tolist())
            self._sent = [row for row in self._sent if row not in seen]
            sent = self._sent[:AHEAD]
            others = [(self._row(pick.id_str), pick.reason) for pick in picks]
            others = [(row, reason) for row, reason in others if row not in sent]
            rows = sent + [row for row, _ in others]
            reasons = ["from your selection"] * len(sent) + [reason for _, reason in others]
            queue = self._items.of(rows, reasons, state)
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
        if (within := session.bounds) is not None:
            open_ &= within[rows]
        bar = float(belief.mean[highest(belief.mean, TOP, open_)].min(initial=np.inf))
        gain = expected_improvement(belief, best_f=bar)
        best = highest(gain, AHEAD, open_)
        return [
            {
                **place,
                "interest": float(mean),
                "std": float(std),
                "rank": None,
                "reason": f"promising among {len(rows):,}",
                "score": None,
            }
            for place, mean, std in zip(
                self._items.places(rows[best].tolist()),
                belief.mean[best],
                belief.std[best],
                strict=True,
            )
        ]

    def _prepare(self, state: State) -> Frame:
        """Everything slow about showing a State; runs on the worker thread."""
        expected = float(state.p_interesting.mean())
        progress, hung = self.session.progress(state), self._hanging.of(state)
        return Frame(state, hung, self._colouring(state), expected, progress)

    def _fill(self, state: State) -> None:
        """Fill the gallery without waiting for the model."""
        self._soon(self._hanging.hang, self._hanging.of(state))

    def _turned(self) -> None:
        self._hanging.begin()
        self._search(self._fill)

    def _dyed(self) -> None:
        self._search(self._dye)

    def _dye(self, state: State) -> None:
        self._soon(self.map.colour, self._colouring(state))

    def _colouring(self, state: State) -> Colouring:
        return self._dyes.of(self.map.bar.colour, state)

    def lead(self, state: State, queue: list[dict[str, Any]]) -> None:
        """Show what a State chose, before everything else; runs on the desk."""
        with self.viewer.hold_sync():
            self.viewer.queue, self.viewer.done = queue, not queue
        self.map.mark("rated", state.rated, state.scores)
        if self.gallery.tab == "top":  # which are the best is known later, which were rated now
            said = state.opinions.scores.keys() | state.opinions.artefacts
            self.gallery.items = [item for item in self.gallery.items if item["id"] not in said]

    def show(self, frame: Frame) -> None:
        """Bring the other views up to a Frame; runs on the desk."""
        state, last = frame.state, self._drawn
        if last is not state:
            self.curve.expected = frame.rate_expected
            with self.outlook.hold_sync():
                self.outlook.advice = frame.progress.advice
                self.outlook.facts = facts(frame.progress)
            self._drawn = state
            if last is None and self.viewer.shown:
                self._search(self._surround, self.viewer.shown)
        self._hanging.hang(frame.hung)
        self._bound(state)
        if frame.colouring.values is not self.map.colouring.values or last is None:
            self.map.colour(frame.colouring)
        self._report("model")

    def _row(self, id_str: str) -> int:
        return self.session.representation.row(id_str)

    # From the views to the session

    def _from_viewer(self, content: dict[str, Any]) -> None:
        if content.get("kind") == "need":
            self._pictures.serve(self.viewer, content)
            return
        if content.get("kind") == "like":
            self._like([str(content.get("id"))])
            return
        for act in content.get("acts", []):
            token = str(act.get("token", ""))
            try:
                self._perform(act, token)
            except Exception as error:  # whatever it was, the browser has to know
                self._report("save", f"not saved: {error}")
                self.viewer.refused(token, str(error))
            else:
                if act.get("tag"):  # known before the browser forgets the act
                    self.viewer.tags = tags_by_id(self.session.tags)
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
            case "tag":
                self.session.tag(id_str, str(act.get("tag", "")), token=token)
            case "untag":
                self.session.untag(id_str, str(act.get("tag", "")), token=token)
            case other:
                raise ValueError(f"the viewer sent an unknown act {other!r}")

    def _from_gallery(self, content: dict[str, Any]) -> None:
        ids = [str(id_str) for id_str in content.get("ids") or []]
        match content.get("kind"):
            case "need":
                self._pictures.serve(self.gallery, content)
            case "view":
                self._look(self._row(str(content.get("id"))), "chosen in the gallery")
            case "more" if self._hanging.more():
                self._search(self._fill)
            case "like":
                self._like(ids)
            case "queue":
                self._search(self._send, ids)
            case "rate":
                self._rate(ids, content.get("score", "none"))
            case "tag":
                self._search(self._tag, ids, str(content.get("tag", "")))
            case "save" if content.get("format") in SAVED:
                self._threads.submit(self._save, str(content["format"]), ids)

    def _from_finder(self, content: dict[str, Any], data: list[memoryview]) -> None:
        kind = content.get("kind")
        if kind == "show":
            self._search(self._find, str(content.get("words", "")))
        elif kind == "limit":
            self._search(self._limit, str(content.get("words", "")))
        elif kind == "image" and data:
            self._search(self._find_image, str(content.get("name", ""))[:100], bytes(data[0]))
        elif kind in ("count", "describe", "say", "without", "cuts"):
            if kind == "count":
                self._asked = content.get("n", 0)
            self._search(self._answer, content)

    def _answer(self, content: dict[str, Any], state: State) -> None:
        """Answer a question of the finder, unless a newer one has come."""
        kind = content["kind"]
        if kind == "count" and content.get("n") != self._asked:
            return
        try:
            said = getattr(self._asking, kind)(content, state)
        except (LookupError, ValueError, TypeError, OSError) as error:
            said = {"trouble": str(error)}
        self._soon(lambda: self.finder.answer(content, **said))

    # Selections

    def select(self, selection: Selection | str) -> None:
        """Show a Selection of the session, or what matches some words, in the gallery and on the
        map. Raises what `Session.where` raises for words that are no search."""
        if isinstance(selection, str):
            selection = self.session.where(selection)
        if not isinstance(selection, Selection):
            raise TypeError(
                f"select shows a selection, such as session.near(…), got {type(selection).__name__}"
            )
        if selection.among is not self.session.representation.ids:
            raise ValueError("the selection is of another session; search in this one")
        self._hanging.found = selection
        self._soon(self._selected, selection)

    def _selected(self, selection: Selection) -> None:
        self._hanging.begin()
        if self.gallery.tab == "found":
            self._search(self._fill)
        else:
            self.gallery.tab = "found"
        self.finder.words = selection.words if selection.savable else ""
        self.map.mark_selection(selection.rows)

    def _find(self, words: str, state: State) -> None:
        self.select(self.session.where(words, state))

    def _find_image(self, name: str, data: bytes, state: State) -> None:
        self.select(self.session.near(image=data, label=name, state=state))

    def _limit(self, words: str, state: State) -> None:
        self.session.limit(words)
        if words and self.finder.words.strip() == words:  # nothing else was typed meanwhile
            self._soon(setattr, self.finder, "words", self.session.opinions.limit)

    def _like(self, ids: list[str]) -> None:
        if ids:
            self._search(lambda state: self.select(self.session.near(ids, state=state)))

    def _send(self, ids: list[str], state: State) -> None:
        """Have the viewer show these next, or what the gallery holds."""
        rows = [self._row(id_str) for id_str in ids]
        if not rows:
            held = self._hanging.held([], state)
            rows = held.rows[:IN_TURN].tolist()
        self._sent = rows
        self._led = None
        self._lead(state)
        self._soon(self.viewer.send, {"kind": "first"})

    def _rate(self, ids: list[str], score: Any) -> None:
        """Give all of them the same score."""
        if len(ids) > TOGETHER:
            raise ValueError(f"at most {TOGETHER} galaxies are rated at once, got {len(ids):,}")
        reason = f"rated together: {self.gallery.about}"[:200]
        for id_str in ids:
            self.session.rate(id_str, score, reason=reason)

    def _tag(self, ids: list[str], tag: str, state: State) -> None:
        """Give all of them the same tag, or all that the gallery is about."""
        ids = ids or self._hanging.held([], state).ids
        if len(ids) > AT_ONCE:
            raise ValueError(
                f"at most {AT_ONCE:,} galaxies are tagged at once, got {len(ids):,}; "
                "mark some, or session.tag(selection, …) in a cell"
            )
        self.session.tag(ids, tag if tag.strip().startswith("#") else f"#{tag.strip()}")

    def _tapped(self, row: int) -> None:
        self._look(row, "chosen on the map")

    def _wandered(self, x: float, y: float, rows: np.ndarray) -> None:
        """A place of the map was clicked: the galaxies around it."""
        if not len(rows):
            return
        around = Given(f"around {self.map.where(x, y)}", rows)
        ids = self.session.representation.ids
        self.select(Selection(around, rows, None, ids, self.session.where))

    def _enclosed(self, rows: np.ndarray) -> None:
        """What a lasso holds; nothing where it was let go."""
        if len(rows):
            self._search(lambda state: self.select(self.session.where(Given("lasso", rows), state)))
        elif self._hanging.found is not None:
            self._hanging.found = None
            self._search(self._fill)

    def _hovered(self, row: int | None) -> None:
        item = None
        if row is not None and self._drawn is not None:
            [item] = self._items.of([row], [""], self._drawn)
            item["values"] = self._values(row)
        self.map.tip.show(item)

    def _values(self, row: int) -> list[list[str]]:
        """What else is said of a galaxy under the pointer: what the map is coloured by."""
        colouring = self.map.colouring
        if colouring.values is None or colouring.name in ("interest", "uncertainty"):
            return []
        value = float(colouring.values[row])
        if np.isnan(value):
            return [[colouring.name, "–"]]
        words, scale = colouring.categories, colouring.scale
        number = f"{scale.true(value):.{scale.digits(1000) + 1}g}"
        return [[colouring.name, number if words is None else words[int(value)]]]

    def _from_tip(self, content: dict[str, Any]) -> None:
        if content.get("kind") == "need":
            self._pictures.serve(self.map.tip, content)

    def _look(self, row: int, reason: str) -> None:
        if self._drawn is not None:
            [item] = self._items.of([row], [reason], self._drawn)
            self.viewer.look(item)

    def _looked(self, id_str: str) -> None:
        """Another galaxy is on the screen: mark it at once, its neighbours follow."""
        if id_str:
            self.map.mark("current", np.array([self._row(id_str)]))
            self.map.mark("near", np.array([], dtype=int))  # those were of the galaxy before
            if self._drawn is not None:
                self._search(self._surround, id_str)
            self._update()

    def _surround(self, id_str: str, state: State) -> None:
        """Find what is most like the galaxy on the screen."""
        if id_str == self.viewer.shown:
            self._hanging.near = near = self.session.near(id_str, state=state)
            self._soon(self._ring, near)
            if self.gallery.tab == "near":
                self._fill(state)

    def _ring(self, near: Selection) -> None:
        if near is self._hanging.near:
            self.map.mark("near", near.rows[:MARKED])

    def _from_header(self, content: dict[str, Any]) -> None:
        if content.get("kind") == "export" and content.get("format") in FORMATS:
            self._threads.submit(self._export, str(content["format"]))

    def _export(self, suffix: str) -> None:
        """Write the ranking as `Session.export` does and hand it to the browser to save."""
        self._hand_over(self.header, f"anomalies.{suffix}", None)

    def _save(self, suffix: str, ids: list[str]) -> None:
        """The same for what the gallery is about."""
        try:
            held = self._hanging.held(ids, self.session.state)
        except Exception as error:
            self._soon(self._report, "export", f"not saved: {error}")
            return
        self._hand_over(self.gallery, f"selection.{suffix}", held)

    def _hand_over(self, view: Any, name: str, of: Selection | None) -> None:
        try:
            with tempfile.TemporaryDirectory() as folder:
                data = self.session.export(Path(folder) / name, of=of).read_bytes()
        except Exception as error:
            self._soon(self._report, "export", f"export failed: {error}")
            return
        self._soon(self._report, "export")
        self._soon(view.send, {"kind": "file", "name": name}, [data])


def _seen(held: Opinions) -> set[str]:
    """The ids of all that was rated, skipped or flagged."""
    return {*held.scores, *held.skipped, *held.artefacts}
