"""Session: the one mutable object. What it knows at a time is a State."""

from __future__ import annotations

import json
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property, partial
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import anomaly_zoo
from anomaly_zoo.acquisition import expected_improvement
from anomaly_zoo.artefacts import HIDDEN, Surroundings, artefact_probability
from anomaly_zoo.calibration import BEST, Calibration, Left, Probit, calibrate
from anomaly_zoo.catalog import Catalog
from anomaly_zoo.choice import Choice
from anomaly_zoo.encoders.protocol import Encoder
from anomaly_zoo.expression import Alike, Near, Node, Rated, Tagged, savable
from anomaly_zoo.interest import Hypothesis, InterestModel, weigh
from anomaly_zoo.known import Known
from anomaly_zoo.matching import Matched
from anomaly_zoo.pool import Pool
from anomaly_zoo.positions import check_angle, check_position
from anomaly_zoo.progress import Progress, foreseen, progress
from anomaly_zoo.query import parse
from anomaly_zoo.ranking import check_top, export, ranked
from anomaly_zoo.ratings import (
    WORDS,
    Event,
    Opinions,
    RatingLog,
    check_score,
    last_act,
    opinions,
    read_events,
)
from anomaly_zoo.representation import Axes, Representation
from anomaly_zoo.selection import Selection
from anomaly_zoo.settings import (
    aligned,
    check_audit,
    check_encoder,
    check_examples,
    check_settings,
    login,
)
from anomaly_zoo.sheet import LIMITS
from anomaly_zoo.similar import features_of
from anomaly_zoo.start import POOL
from anomaly_zoo.state import Pick, State
from anomaly_zoo.tags import tag_of
from anomaly_zoo.takeaway import REGIONS, take_away

__all__ = ["Pick", "Session", "State"]


class Session:
    """Rate objects one by one and let a Gaussian process rank all the others.

    `representation` is an (n, d) Representation; `catalog` a Catalog of the same objects, in any
    order; `ratings` the path of a ratings file (made when missing; without one, ratings live in
    memory). The same file and seed resume the same State, but for rounding (some 2e-5 of a score),
    and the same next object. More than `components` dimensions are reduced by PCA; how its axes
    count is for the ratings to say.

    `start_like` are ids of examples: they are shown first, then what is most like them. `goal` is
    "many", to find as many interesting objects as the looks allow (an object is to improve on the
    50th of those not yet seen), or "best", the textbook's search for the one highest score (it is
    to improve on the best of those rated). `acquisition` is a rule of anomaly_zoo.acquisition or
    any function with their signature. `audit` is the share of looks that are drawn at random from
    the top 50, by which `progress` measures how good that top is; 0 switches them off. `encoder` is
    the one that made the features, for the images that are compared with them: it must be the same
    in name and version. Features without their encoder at hand need none.

    Beyond the features, their components (from 128 MB on they are on disk) and the catalogue it
    takes at most 120 bytes an object (one of them for a limit), 20 MB a core and 30 MB, whatever is
    asked of it but a rule of one's own, hundreds of objects at once (up to 100 MB more), or a
    ranking or selection of everything (some 30 bytes more for each object of it).

    Raises ValueError where catalogue and representation do not hold the same objects, where the
    ratings file belongs to another representation (with both encoders, where those differ), or
    where `encoder` is another than that of the features.

    >>> import numpy as np, anomaly_zoo as az
    >>> X = np.random.default_rng(0).normal(size=(60, 4))
    >>> session = az.Session(az.Representation([f"J{i}" for i in range(60)], X), seed=0)
    >>> for id_str in session.next(5):
    ...     session.rate(id_str, 5 if X[int(id_str[1:]), 0] > 1 else 0)
    >>> session.undo() in session.next(10)
    True
    >>> list(session.ranking().columns)[:3]
    ['rank', 'id_str', 'interest']
    """

    def __init__(
        self,
        representation: Representation,
        catalog: Catalog | None = None,
        *,
        ratings: str | Path | None = None,
        seed: int = 0,
        rater: str | None = None,
        components: int = 100,
        start_like: Sequence[str] = (),
        goal: str = "many",
        acquisition: Callable[..., np.ndarray] = expected_improvement,
        encoder: Encoder | None = None,
        audit: float = 0.05,
    ) -> None:
        check_settings(representation, catalog, seed, components, goal, acquisition)
        self.audit = check_audit(audit)
        if encoder is not None:
            check_encoder(encoder, representation)
        self.encoder = encoder
        self.representation = representation
        self.catalog = None if catalog is None else aligned(catalog, representation)
        self.log = RatingLog(ratings, representation.hash, representation.encoder)
        self.seed = seed
        self.rater = str(rater) if rater is not None else login()
        self._components = min(components, representation.d)
        self.space = representation.pca(self._components)
        self.goal = goal
        self._acquisition = acquisition
        self._variance = _variance(self.space, seed)
        examples = check_examples(start_like, representation)
        self.pool = Pool(self.space)
        self._choice = Choice(
            self.space, self._variance, seed, acquisition, goal, self.audit, examples
        )
        self._state: State | None = None
        self._fitted: tuple[bytes, tuple[Hypothesis, ...]] | None = None
        self._around: Surroundings | None = None
        self._bounds: tuple[str, dict[str, tuple[str, ...]] | None, np.ndarray] | None = None
        self._search: tuple[Node, weakref.ref[State], dict[str, Any], Matched] | None = None
        self._probit = Probit()
        self._row_of: dict[str, int] = {}  # of what was looked at
        self._offered: dict[str, str] = {}
        self._computing = threading.Lock()
        self._listeners: list[Callable[[], None]] = []

    # What the session knows

    @property
    def state(self) -> State:
        """The State of the whole log, computed now if anything was added since the last one."""
        return self.update()

    def update(
        self,
        progress: Callable[[float], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> State:
        """The same, with a word on how far it is, for a large pool: `progress` is told the share
        that is done, and where `cancelled` says so InterruptedError is raised; nothing is lost."""
        with self._computing:
            events = self.log.events
            if self._state is None or self._state.n_events != len(events):
                self._state = self._compute(events, progress, cancelled)
            return self._state

    def prepare(self, id_str: str, cancelled: Callable[[], bool] | None = None) -> None:
        """Compute what a rating of this object will need while it is still looked at, so that the
        answer comes at once: how far it moves all others does not depend on the score. Nothing
        where that rating will have the hypotheses weighed anew.

        Raises InterruptedError where `cancelled` says so.
        """
        row = self.representation.row(id_str)
        with self._computing:
            n = 0 if self._state is None else len(self._state.rated)
            if _refit_after(n + 1) == _refit_after(n):
                self.pool.prepare(row, cancelled)

    @property
    def bounds(self) -> np.ndarray | None:
        """(n,) what the limit leaves, by the last State, before the first one too; None for all,
        and where it cannot be worked out (yet)."""
        held = self.opinions
        try:
            return self._within(held.limit, self._state, held.tags) if held.limit else None
        except Exception:  # the next State says what is wrong
            return None

    @property
    def latest(self) -> State | None:
        """The last State that was computed, at once: a rating or two behind `state`, maybe."""
        return self._state

    @property
    def hypotheses(self) -> tuple[Hypothesis, ...]:
        """Those that were weighed last, at once: in a first update they are there before a State;
        none before that."""
        return () if self._fitted is None else self._fitted[1]

    @property
    def opinions(self) -> Opinions:
        """What the raters think now, straight from the log."""
        return opinions(self.log.events)

    def _compute(
        self,
        events: tuple[Event, ...],
        progress: Callable[[float], None] | None,
        cancelled: Callable[[], bool] | None,
    ) -> State:
        held = opinions(events)
        rated, scores, seen = self._looked_at(held)
        last = self._state
        p_artefact = self._p_artefact(held, rated)
        if last and last.p_artefact is p_artefact and not last.artefact[rated].any():
            artefact = last.artefact
        else:
            artefact = p_artefact >= HIDDEN
            artefact[rated] = False
        open_ = ~artefact
        open_[seen] = False
        if last and np.array_equal(last.rated, rated) and np.array_equal(last.scores, scores):
            model, posterior = last.model, last.posterior
        else:
            hypotheses = self._hypotheses(rated, scores)
            model, posterior = self.pool.believe(rated, scores, hypotheses, progress, cancelled)
        calibration = self._calibration(events, held.mean_scores, posterior.noise)
        best = posterior.best(BEST, open_)
        for array in (rated, scores, artefact, p_artefact, open_, seen):
            array.flags.writeable = False
        state = State(
            n_events=len(events),
            opinions=held,
            rated=rated,
            scores=scores,
            artefact=artefact,
            p_artefact=p_artefact,
            posterior=posterior,
            calibration=calibration,
            left=Left.of(posterior, open_, best),
            best_f=self._choice.best_f(posterior.mean, rated, best),
            open=open_,
            model=model,
            seen=seen,
        )
        return self._limited(state)

    def _limited(self, state: State) -> State:
        """A State without a limit under the one that its log says: what lies beyond is not shown,
        and does not count among what is left. Where it cannot be worked out any more, such as with
        another catalogue, the search goes on without it and the State says so."""
        limit = state.opinions.limit
        if not limit:
            return state
        try:
            within = self._within(limit, state, state.opinions.tags)
        except Exception as error:
            return replace(state, limit=limit, limit_trouble=str(error))
        return replace(self._shown(state, state.open & within), limit=limit, within=within)

    def _shown(self, state: State, open_: np.ndarray) -> State:
        """The same, without a limit, where just these (n,) may be shown."""
        open_.flags.writeable = False
        belief = state.posterior
        best = belief.best(BEST, open_)
        return replace(
            state,
            open=open_,
            left=Left.of(belief, open_, best),
            best_f=self._choice.best_f(belief.mean, state.rated, best),
            limit="",
            within=None,
            limit_trouble="",
        )

    def _within(
        self, limit: str, state: State | None, tags: dict[str, tuple[str, ...]]
    ) -> np.ndarray:
        """(n,) what a limit says; remembered as long as it does not depend on what is believed."""
        last = self._bounds
        if last and last[0] == limit and last[1] in (None, tags):
            return last[2]
        known = Known(self.space, self.catalog, state, tags)
        within = known.found(parse(limit)).mask
        within.flags.writeable = False
        if "beliefs" not in known.asked:
            self._bounds = limit, tags if "tags" in known.asked else None, within
        return within

    def _looked_at(self, held: Opinions) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows of the rated and their mean scores, and rows of all that was looked at."""
        means = held.mean_scores
        scores = np.array(list(means.values()), dtype=np.float64)
        others = sorted(held.skipped | held.artefacts)
        new = [id_str for id_str in (*means, *others) if id_str not in self._row_of]
        self._row_of.update(zip(new, self.representation.rows(new).tolist(), strict=True))
        seen = np.array([self._row_of[i] for i in (*means, *others)], dtype=np.int64)
        return seen[: len(means)].copy(), scores, seen

    def abreast(self, state: State) -> State:
        """The same belief about all objects, with the log as it is now: what was rated since is not
        shown again, and the few that may be next are judged by all ratings."""
        events = self.log.events
        held = opinions(events)
        rated, scores, seen = self._looked_at(held)
        open_ = ~state.artefact
        open_[seen] = False
        same = held.limit == state.limit
        if same and state.within is not None:
            open_ &= state.within
        now = replace(
            state,
            n_events=len(events),
            opinions=held,
            rated=rated,
            scores=scores,
            seen=seen,
            open=open_,
            model=InterestModel.condition(self.space.take(rated), scores, state.hypotheses),
        )
        return now if same else self._limited(self._shown(now, open_))

    def _hypotheses(self, rated: np.ndarray, scores: np.ndarray) -> tuple[Hypothesis, ...]:
        """Weighed by the first ratings only, a few at a time, so that most ratings need no new fit
        and the result depends on the ratings alone, not on when the file was opened."""
        count = _refit_after(len(rated))
        key = rated[:count].tobytes() + scores[:count].tobytes()
        if self._fitted is None or self._fitted[0] != key:
            X = self.space.take(rated[:count])
            self._fitted = key, weigh(X, scores[:count], self._variance)
        return self._fitted[1]

    def _calibration(
        self, events: Sequence[Event], rated: Mapping[str, float], noise: float
    ) -> Calibration:
        """By the looks whose scores were foreseen."""
        looks = foreseen(events, rated)
        interest = np.array([event.interest for event, _ in looks], dtype=np.float64)
        std = np.array([event.interest_std for event, _ in looks], dtype=np.float64)
        scores = np.array([score for _, score in looks])
        return calibrate(interest, std, scores, noise, self._probit)

    def _p_artefact(self, held: Opinions, rated: np.ndarray) -> np.ndarray:
        """(n,) how likely each object is an artefact: only from flags and what was rated."""
        last = self._state
        if last and last.opinions.artefacts == held.artefacts and np.array_equal(last.rated, rated):
            return last.p_artefact
        if not held.artefacts:
            if last and not last.opinions.artefacts:
                return last.p_artefact
            return np.zeros(len(self.space), dtype=np.float32)
        if self._around is None:
            self._around = Surroundings.of(self.space, self.seed)
        flagged = self.representation.rows(sorted(held.artefacts))
        return artefact_probability(self.space, flagged, rated, self._around)

    # What to look at

    def next(self, n: int = 1) -> list[str]:
        """The ids of the n objects to look at next, best first and equal ones by id: never one that
        was rated, skipped or flagged. Fewer when fewer are left."""
        picks = self.picks(n)
        self._offered = {pick.id_str: pick.reason for pick in picks}
        return list(self._offered)

    def picks(self, n: int = 1, state: State | None = None) -> list[Pick]:
        """The same as `next`, with what the model expects of each and why it is shown."""
        if not isinstance(n, Integral) or n < 1:
            raise ValueError(f"ask for a whole number of objects, at least one, got {n!r}")
        state = state or self.state
        chosen = self._choice.choose(n, state, self.rule)
        return [self.pick(row, why, state) for row, why in chosen]

    def pick(self, row: int, reason: str, state: State | None = None) -> Pick:
        """The Pick of one row of the representation."""
        posterior = (state or self.state).posterior
        return Pick(
            str(self.representation.ids[row]),
            float(posterior.mean[row]),
            float(posterior.std[row]),
            reason,
        )

    @property
    def rule(self) -> str:
        """The name of the acquisition rule."""
        rule = self._acquisition
        while isinstance(rule, partial):
            rule = rule.func
        return str(getattr(rule, "__name__", type(rule).__name__)).replace("_", " ")

    # What to search for

    def where(self, search: str | Node, state: State | None = None) -> Selection:
        """The objects that match a search in words, most interesting first, or nearest first where
        it asks for what is near something: "redshift < 0.1 AND near #ring AND interest > 3".

        `anomaly_zoo.query` says the language. A search keeps to the limit, where one is set, and
        is asked of `state`, by default of that of the whole log. Raises ValueError for words that
        are no search, unknown names, and what cannot be compared.

        >>> X = np.random.default_rng(0).normal(size=(60, 4))
        >>> session = Session(Representation([f"J{i}" for i in range(60)], X))
        >>> session.where("near J7") & session.where("unrated")
        <Selection: 59 of 60 objects, near J7 AND unrated>
        """
        tree = parse(search) if isinstance(search, str) else search
        state = state or self.state
        match = self._matched(tree, state)
        rows = match.rows
        if rows is None:
            rows = np.flatnonzero(match.mask)
            rows = rows[np.argsort(-state.posterior.mean[rows], kind="stable")]
        return Selection(tree, rows, match.distances, self.representation.ids, self.where)

    def count(self, search: str | Node, state: State | None = None) -> int:
        """How many objects match a search, as for `where`; asked again by it, the search is not
        made again.

        >>> X = np.random.default_rng(0).normal(size=(60, 4))
        >>> session = Session(Representation([f"J{i}" for i in range(60)], X))
        >>> session.count("near J7 AND unrated")
        59
        """
        tree = parse(search) if isinstance(search, str) else search
        return int(np.count_nonzero(self._matched(tree, state or self.state).mask))

    def _matched(self, tree: Node, state: State) -> Matched:
        """What matches; of the last search in words that is remembered: while they are typed their
        number is asked for, then which they are."""
        tags, last = self.tags, self._search
        if last and last[0] == tree and last[1]() is state and last[2] == tags:
            return last[3]
        match = self.known(state, state.within).found(tree)
        if savable(tree):
            self._search = tree, weakref.ref(state), tags, match
        return match

    def known(self, state: State, limit: np.ndarray | None = None) -> Known:
        """What a search is asked of: the catalogue, what a State believes, and the present tags."""
        return Known(self.space, self.catalog, state, self.tags, limit)

    def near(
        self,
        examples: str | Iterable[str] | None = None,
        *,
        sky: tuple[float, float] | None = None,
        radius: float | None = None,
        image: object = None,
        k: int = 1000,
        to: str = "any",
        apart: float | None = None,
        label: str = "",
        state: State | None = None,
    ) -> Selection:
        """The k objects most like some examples, nearest first, the examples left out.

        examples : an id, a tag for all that carry it, or several of these. Or sky : right ascension
        and declination (ICRS degrees), for the object closest to there within `radius` arcsec. Or
        image : a path, a PIL image or pixels that are in no catalogue, through `encoder`, which the
        words call `label` (a path by its name). to :
        "any" for those closest to any of the examples, "mean" for those closest to their mean.
        apart : near-duplicates on the sky, within so many arcsec of an example or of a nearer
        object, are left out; objects without a position stay.

        Distances are Euclidean, in the components that the model sees, scaled such that the
        variances of all objects along them sum to one. Raises ValueError for unknown ids, tags that
        nobody gave, no object within the radius, and an image without an encoder.

        >>> X = np.random.default_rng(0).normal(size=(60, 4))
        >>> session = Session(Representation([f"J{i}" for i in range(60)], X))
        >>> session.near(["J7", "J8"], k=5)
        <Selection: 5 of 60 objects, near("J7", "J8", k=5)>
        """
        if examples is not None and not isinstance(examples, Iterable):
            raise TypeError(f"expected an id, a tag, or several, got {type(examples).__name__}")
        if sum(given is not None for given in (examples, sky, image)) != 1:
            raise ValueError("near wants examples (ids or tags), or sky=(ra, dec), or image=")
        if (sky is None) != (radius is None):
            raise ValueError("sky=(ra, dec) and radius= in arcsec belong together")
        if image is not None:
            name = Path(image).name if isinstance(image, (str, Path)) else "given"
            return self.where(Alike(label or name, self._vectors(image), k, to, apart), state)
        if sky is not None:
            state = state or self.state
            if np.shape(sky) != (2,):
                raise ValueError(f"sky is (ra, dec) in degrees, got {sky!r}")
            at, wide = check_position(*sky), check_angle(radius, "radius")
            examples = self.representation.ids[self.known(state).closest(at, wide)]
        several = () if examples is None else examples
        ids = (several,) if isinstance(several, str) else tuple(several)
        return self.where(Near(ids, k, to, apart), state)

    def tagged(self, tag: str, state: State | None = None) -> Selection:
        """The objects that carry a tag, most interesting first."""
        return self.where(Tagged(tag), state)

    @property
    def rated(self) -> Selection:
        """The objects that have a score, most interesting first."""
        return self.where(Rated())

    def _vectors(self, image: object) -> np.ndarray:
        """Where an image lies (1, d) among the objects."""
        if self.encoder is None:
            made = self.representation.encoder
            raise ValueError(
                "an image is compared through the encoder that made the features"
                f"{f' ({made})' if made else ''}: az.Session(…, encoder=az.encoders.Zoonet())"
            )
        cutouts = self.catalog.cutouts if self.catalog else None
        features = features_of(image, self.encoder, cutouts.stretch if cutouts else "asinh")
        return self._axes(features)

    @cached_property
    def _axes(self) -> Axes:
        return self.representation.axes(self._components)

    def limit(self, to: str | Selection | None, *, token: str = "") -> int:
        """Keep to the objects that match a search, in words ("redshift < 0.1") or as a Selection:
        they alone are looked at next, searched, ranked, exported and counted as left; how many
        they are. None or "" lifts it.

        The words are stored with the ratings and hold for all who rate into the file. What they
        say of interest is asked again with every new State; it takes a byte an object. Raises
        ValueError for words that cannot be worked out, and a selection that no words say.
        """
        if not isinstance(to, str | Selection | None):
            raise TypeError(
                "limit keeps to a search in words, such as 'redshift < 0.1', or a selection; None "
                f"lifts it; got {type(to).__name__}"
            )
        if isinstance(to, Selection) and not to.savable:
            raise ValueError(
                f"no words say what {to.words!r} holds, so it cannot be kept with the ratings; "
                "tag the objects, session.tag(selection, '#mine'), and limit to '#mine'"
            )
        words = to.words if isinstance(to, Selection) else to or ""
        within = None
        if words.strip():
            words = str(parse(words))
            within = self._within(words, self._state or self.state, self.tags)
        if (words := words.strip()) != self.opinions.limit:
            self._append(Event("limit", "", rater=self.rater, word=words, token=token))
        return len(self.space) if within is None else int(np.count_nonzero(within))

    # What the rater says: on disk before the call returns

    def rate(self, id_str: str, score: float, *, reason: str = "by id", token: str = "") -> None:
        """Store a score from 0 to 5 for an object; a second one by the same rater replaces it.

        `reason` says why it was shown; for the objects of the last `next` that is known.
        """
        self._act("rate", id_str, check_score(score), reason, token)

    def skip(self, id_str: str, *, reason: str = "by id", token: str = "") -> None:
        """Do not show the object again, and learn nothing from that."""
        self._act("skip", id_str, None, reason, token)

    def flag(
        self, id_str: str, label: str = "artefact", *, reason: str = "by id", token: str = ""
    ) -> None:
        """Mark the object as an artefact (trail, star, bad data): it leaves the ranking."""
        if label != "artefact":
            raise ValueError(f"the only flag is 'artefact', got {label!r}")
        self._act("artefact", id_str, None, reason, token)

    def undo(self, *, of: str | None = None, token: str = "") -> str | None:
        """Take back this rater's last rating, skip or flag; its id, or None with nothing left.

        `of` names another one by the token of its event; ValueError where it was never stored.
        Tags stay: `untag` takes them off.
        """
        events = [event for event in self.log.events if event.kind not in WORDS]
        if of is None:
            last = last_act(events, self.rater)
        elif not (
            last := next((e for e in events if e.token == of and e.rater == self.rater), None)
        ):
            raise ValueError("what was to be taken back had not been saved")
        if last is None:
            return None
        return self._act("undo", last.id_str, None, "", token, undoes=last.seq).id_str

    def tag(self, ids: str | Iterable[str], tag: str, *, token: str = "") -> None:
        """Give an object, or all of several (ids or a Selection), a tag: # and then letters,
        digits, - or _, such as "#ring"."""
        self._word("tag", ids, tag, token)

    def untag(self, ids: str | Iterable[str], tag: str, *, token: str = "") -> None:
        """Take back that this rater gave one or several objects a tag; another rater's word
        stands."""
        self._word("untag", ids, tag, token)

    @property
    def tags(self) -> dict[str, tuple[str, ...]]:
        """The ids that carry each tag, in the order in which they were first given, from the log.

        >>> X = np.random.default_rng(0).normal(size=(60, 4))
        >>> session = Session(Representation([f"J{i}" for i in range(60)], X))
        >>> session.tag("J7", "#ring")
        >>> session.tags
        {'#ring': ('J7',)}
        """
        return self.opinions.tags

    def adopt(self, path: str | Path) -> int:
        """Copy the events of another ratings file whose objects are known here; how many it were.

        For a new representation of the same objects. Doing it twice changes nothing. Tags come
        too; what the other search was limited to does not.
        """
        seq: dict[int, int] = {}
        before = len(self.log.events)
        known = self.representation.ids
        events = [event for event in read_events(path) if event.id_str]
        if events and not len(known.known([event.id_str for event in events])):
            raise ValueError(
                f"no object of {path} is in this representation: the file has "
                f"{events[0].id_str!r}, the representation {known[0]!r}"
            )
        for event in events:
            if event.id_str in known:
                undoes = None if event.undoes is None else seq[event.undoes]
                seq[event.seq] = self.log.append(
                    Event(**{**vars(event), "undoes": undoes, "seq": 0})
                ).seq
        self._tell()
        return len(self.log.events) - before

    def _act(
        self,
        kind: str,
        id_str: str,
        score: float | None,
        reason: str,
        token: str,
        undoes: int | None = None,
    ) -> Event:
        row = self.representation.row(id_str)
        known = self._state
        if reason == "by id":
            reason = self._offered.get(id_str, reason)
        return self._append(
            Event(
                kind,
                id_str,
                score,
                self.rater,
                **(known.foretold(row) if known else {}),
                reason=reason,
                undoes=undoes,
                token=token,
            )
        )

    def _word(self, kind: str, ids: str | Iterable[str], word: str, token: str) -> None:
        """Write the word for all of the ids, or for none; a token is that of one."""
        several = [ids] if isinstance(ids, str) else list(ids)
        if token and len(several) != 1:
            raise ValueError(f"a token is that of one event, got {len(several):,} ids")
        self.representation.rows(several)
        word = tag_of(word)
        if several:
            event = partial(Event, kind, rater=self.rater, word=word, token=token)
            self.log.extend([event(id_str=id_str) for id_str in several])
            self._tell()

    def _append(self, event: Event) -> Event:
        event = self.log.append(event)
        self._tell()
        return event

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener()` after every change of the log; returns the function that ends it."""
        self._listeners.append(listener)
        return partial(self._listeners.remove, listener)

    def _tell(self) -> None:
        for listener in tuple(self._listeners):
            listener()

    # What comes out

    def ranking(
        self,
        top: int | None = None,
        *,
        artefacts: bool | None = None,
        of: Selection | str | None = None,
    ) -> pd.DataFrame:
        """All objects but the artefacts, most interesting first, equal ones in the order of the
        representation: rank, id_str, positions where known, interest and interest_std (score
        units), p_interesting (probability that the score is at least 4), p_artefact, score (NaN
        where not rated), n_raters, and tags where there are any. `top` keeps that many; `artefacts`
        lists those too that were flagged (p_artefact 1) or taken for one (1/2 up). `of` lists those
        of a selection alone, or of a search in words, in its order, with the distance where it has
        one, and its artefacts unless `artefacts` is False. Nothing beyond the limit is listed."""
        state = self.state
        chosen = self._selected(of, state)
        return ranked(self.representation.ids, state, self.catalog, top, artefacts, chosen)

    def _selected(self, of: Selection | str | None, state: State) -> Selection | None:
        if isinstance(of, str):
            return self.where(of, state)
        if of is None or (isinstance(of, Selection) and of.among is self.representation.ids):
            return of
        if isinstance(of, Selection):
            raise ValueError("the selection is of another session; search in this one")
        raise TypeError(f"of= is a selection, such as session.near(…), got {type(of).__name__}")

    def progress(self, state: State | None = None) -> Progress:
        """How far the search is: found so far, calibration, precision of the top 50, how many
        interesting objects are left, and whether to go on. It follows from log and State alone.

        >>> X = np.random.default_rng(0).normal(size=(60, 4))
        >>> print(Session(Representation([f"J{i}" for i in range(60)], X)).progress().advice)
        Too early to say how many are left: 20 more looks.
        """
        state = state or self.state
        return progress(self.log.events[: state.n_events], state)

    def export(
        self,
        path: str | Path,
        top: int | None = None,
        *,
        artefacts: bool | None = None,
        of: Selection | str | None = None,
    ) -> Path:
        """Write the ranking with its provenance; the suffix (.csv .parquet .ecsv .fits .vot) says
        in which format; more than a million objects go to .csv or .parquet alone. As .png or .pdf
        it is a contact sheet of the first ones, as .reg regions for DS9. `top`, `artefacts` and
        `of` are those of `ranking`. An existing file is replaced only when the new one is complete.
        """
        state = self.state
        chosen = self._selected(of, state)
        about = self.provenance(state, chosen)
        suffix = Path(path).suffix.lower()
        if suffix in (*LIMITS, REGIONS):
            check_top(top)
            most = min(top or len(self.space), LIMITS.get(suffix, len(self.space)))
            frame = ranked(self.representation.ids, state, self.catalog, most, artefacts, chosen)
            if chosen and len(frame) == most < min(top or len(chosen), len(chosen)):
                about["selection"] += f", the first {most:,} of {len(chosen):,}"
            take_away(path, frame, self.catalog, about)
            return Path(path)
        export(path, self.representation.ids, state, self.catalog, about, top, artefacts, chosen)
        return Path(path)

    def provenance(self, state: State | None = None, of: Selection | None = None) -> dict[str, str]:
        """Where a ranking comes from: version, representation, model, seed, ratings, time, and the
        words of the selection and of the limit."""
        state = state or self.state
        held = state.opinions
        raters = sorted({rater for by in held.scores.values() for rater in by})
        entries: dict[str, Any] = {
            "creator": f"anomaly_zoo {anomaly_zoo.__version__}",
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "catalog": self.catalog.name if self.catalog else "",
            "representation": self.representation.name,
            "representation_hash": self.representation.hash,
            "encoder": self.representation.encoder,
            "n_objects": len(self.representation),
            "components": self.space.d,
            "hypotheses": json.dumps([h.as_dict() for h in state.hypotheses]),
            "goal": self.goal,
            "acquisition": self.rule,
            "audit": self.audit,
            "seed": self.seed,
            "n_rated": len(state.rated),
            "n_artefacts": len(held.artefacts),
            "n_likely_artefacts": int(state.artefact.sum()) - len(held.artefacts),
            "n_skipped": len(held.skipped),
            "raters": ", ".join(raters),
            "ratings_file": self.log.path.name if self.log.path else "",
            "selection": of.words if of else "",
            "limit": state.limit if state.within is not None else "",
        }
        return {name: str(value) for name, value in entries.items() if value != ""}

    def __repr__(self) -> str:
        where = self.log.path.name if self.log.path else "in memory"
        return (
            f"<Session: {len(self.representation):,} objects x {self.representation.d} features, "
            f"{len(self.opinions.scores)} rated ({where})>"
        )


def _variance(space: Representation, seed: int) -> np.ndarray:
    """(d,) the variance of each axis, by at most 100,000 objects; the space is centred."""
    _, some = space.sample(POOL, seed)
    return np.einsum("ij,ij->j", some, some, dtype=np.float64) / len(some)


def _refit_after(n: int) -> int:
    """How many of n ratings the hyper-parameters are fitted to: all up to 20, then every 5th,
    from 100 on every 10th."""
    step = 1 if n <= 20 else 5 if n <= 100 else 10
    return n - n % step
