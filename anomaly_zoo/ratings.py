"""The rating log: append-only events in one SQLite file, on disk before `append` returns."""

from __future__ import annotations

import math
import sqlite3
import threading
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.pool import NullPool, StaticPool

from anomaly_zoo.tags import is_tag, tagged

ACTS = ("rate", "skip", "artefact")
"""Kinds of events that judge an object, and that can be taken back."""
WORDS = ("tag", "untag", "limit")
"""Kinds of events that are words: a tag of an object, or what a search is limited to."""
KINDS = (*ACTS, "undo", *WORDS)
_ADDED = ("noise", "p_interesting", "word")  # columns that files of the first version lack
_FORMAT = "anomaly_zoo ratings 1"
_HINTS = (
    ("full", "free some space"),
    ("unable to open", "bring the file back"),
    ("locked", "wait for the other program that writes to it"),
    ("readonly", "allow writing to the file and its folder"),
)

_tables = sa.MetaData()
_meta = sa.Table(
    "meta",
    _tables,
    sa.Column("key", sa.String, primary_key=True),
    sa.Column("value", sa.String, nullable=False),
)
_events = sa.Table(
    "events",
    _tables,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("id_str", sa.String, nullable=False),
    sa.Column("score", sa.Float),
    sa.Column("rater", sa.String, nullable=False),
    sa.Column("time", sa.String, nullable=False),
    sa.Column("interest", sa.Float),
    sa.Column("interest_std", sa.Float),
    sa.Column("reason", sa.String, nullable=False),
    sa.Column("undoes", sa.Integer),
    sa.Column("token", sa.String, unique=True, nullable=False),
    sa.Column("noise", sa.Float),
    sa.Column("p_interesting", sa.Float),
    # A word is written as an undo of nothing, with its kind before it: "tag #ring". Versions that
    # know no words would count any other new kind as a skip; an undo of nothing they pass over.
    sa.Column("word", sa.String),
)


# Statements are built once: that takes as long as to carry them out.
_INSERT = insert(_events).on_conflict_do_nothing(index_elements=["token"])
_STANDING = sa.select(_meta.c.value, sa.select(sa.func.max(_events.c.seq)).scalar_subquery()).where(
    _meta.c.key == "uid"
)
_AFTER = _events.c.seq > sa.bindparam("after")
_NEW = sa.select(*_events.c).where(_AFTER).order_by(_events.c.seq)


class RatingNotSaved(OSError):  # noqa: N818 - it says what happened
    """The event could not be written: it is not in the file and the session has not moved on."""


@dataclass(frozen=True)
class Event:
    """One thing a rater did, and what the model said about the object at that moment."""

    kind: str
    id_str: str
    score: float | None = None
    rater: str = ""
    time: str = ""
    """UTC, ISO 8601."""
    interest: float | None = None
    interest_std: float | None = None
    reason: str = ""
    """Why the object was shown."""
    undoes: int | None = None
    """The `seq` of the event that this one takes back."""
    token: str = ""
    """Sent twice, written once."""
    noise: float | None = None
    """Standard deviation of a rating around the interest, as the model had it then."""
    p_interesting: float | None = None
    """What the model gave for a score of at least 4."""
    word: str = ""
    """The tag, or what the search is limited to ("" for nothing, and in all other events)."""
    seq: int = 0


@dataclass(frozen=True)
class Opinions:
    """What the raters think now: each rater's last word on each object, undone events left out.

    One rater's artefact flag is enough: the object leaves the ranking and its scores do not count.
    Objects in `scores` keep the order in which they were first rated, so that the model's inputs
    are the same whenever the file is opened.
    """

    scores: dict[str, dict[str, float]]
    """id_str -> rater -> score."""
    artefacts: frozenset[str]
    skipped: frozenset[str]
    tags: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """tag -> ids of those that carry it, both in the order in which they were first given."""
    limit: str = ""
    """What the search is limited to, in the words of the last who said."""

    @property
    def mean_scores(self) -> dict[str, float]:
        """The mean over raters of each rated object's score, in 0 to 5."""
        return {i: sum(by.values()) / len(by) for i, by in self.scores.items()}


def opinions(events: Iterable[Event]) -> Opinions:
    """Reduce a log to what its raters think now.

    >>> log = [Event("rate", "a", 5, "eve", seq=1), Event("skip", "b", rater="eve", seq=2),
    ...        Event("rate", "c", 0, "eve", seq=3),
    ...        Event("undo", "c", rater="eve", undoes=3, seq=4)]
    >>> opinions(log).mean_scores, sorted(opinions(log).skipped)
    ({'a': 5.0}, ['b'])
    """
    events = list(events)
    last: dict[str, dict[str, Event]] = {}
    for event in live(events):
        last.setdefault(event.id_str, {})[event.rater] = event
    scores: dict[str, dict[str, float]] = {}
    artefacts, skipped = set(), set()
    for id_str, by_rater in last.items():
        given = {r: float(e.score) for r, e in by_rater.items() if e.score is not None}
        if any(e.kind == "artefact" for e in by_rater.values()):
            artefacts.add(id_str)
        elif given:
            scores[id_str] = given
        else:
            skipped.add(id_str)
    tags = tagged(
        (e.rater, e.id_str, e.word, e.kind == "tag")
        for e in events
        if e.kind in ("tag", "untag") and is_tag(e.word)
    )
    limit = next((e.word for e in reversed(events) if e.kind == "limit"), "")
    return Opinions(scores, frozenset(artefacts), frozenset(skipped), tags, limit)


def live(events: Iterable[Event], rater: str | None = None) -> list[Event]:
    """The acts that stand, oldest first: neither undone nor words; of one rater when named."""
    events = list(events)
    undone = {e.undoes for e in events if e.kind == "undo"}
    return [
        e for e in events if e.kind in ACTS and e.seq not in undone and rater in (None, e.rater)
    ]


def last_act(events: Iterable[Event], rater: str) -> Event | None:
    """The rater's latest act that is not undone: what `undo` would take back."""
    mine = live(events, rater)
    return mine[-1] if mine else None


def check_score(score: float) -> float:
    """The score as a float, or a ValueError where it is not a number from 0 to 5.

    >>> check_score(4)
    4.0
    """
    try:
        value = float(score)
    except (TypeError, ValueError, OverflowError):
        value = math.nan
    if isinstance(score, str | bytes) or not 0 <= value <= 5:
        raise ValueError(
            f"a score is a number from 0 (dull) to 5 (wow), got {score!r}; "
            "use session.skip(id) for an object without an opinion"
        )
    return value


class RatingLog:
    """Append-only events in an SQLite file, on disk before `append` or `extend` returns.

    Without a path the log lives in memory and is gone with the process. A log belongs to one
    representation (by its hash): opening it with another raises a ValueError, which names both
    encoders (`encoder`, "zoonet 01234567") where they differ. Two programs may append to one file;
    each sees the other's events at its next append or `refresh`.

    >>> log = RatingLog(None, representation="0123456789abcdef")
    >>> log.append(Event("rate", "J1", 4.0, "eve")).seq
    1
    >>> [e.id_str for e in log.events]
    ['J1']
    """

    def __init__(self, path: str | Path | None, representation: str, encoder: str = "") -> None:
        if path is not None and str(path) == "":
            raise ValueError("ratings is the name of a file, got ''; leave it out to keep none")
        self.path = None if path is None else Path(path).expanduser().absolute()
        self._lock = threading.Lock()
        self._known: tuple[Event, ...] = ()
        self._whole = False  # whether the file is known to have all columns
        fresh = self.path is None or not self.path.exists() or self.path.stat().st_size == 0
        if fresh:
            self._engine = _open(self.path, "rwc")
            self._create(representation, encoder)
        if self.path is not None:
            self._engine = _open(self.path, "rw")
        try:
            with self._engine.connect() as connection:
                meta = {str(k): str(v) for k, v in connection.execute(sa.select(_meta))}
        except sa.exc.DatabaseError:
            meta = {}
        if meta.get("format") != _FORMAT:
            raise ValueError(
                f"{self.path} is not an anomaly_zoo ratings file; give the name of one, "
                "or of a file that does not exist yet"
            )
        if meta["representation"] != representation:
            raise ValueError(
                f"the ratings in {self.path} belong to another representation: "
                f"{_other(meta, representation, encoder)}; open them with the features they were "
                "made with, or start a new file and carry them over: "
                f"session = az.Session(features, ratings='new.db'); session.adopt({str(path)!r})"
            )
        self.uid = meta["uid"]
        self.refresh()

    def _create(self, representation: str, encoder: str) -> None:
        if self.path is not None and not self.path.resolve().parent.is_dir():
            raise FileNotFoundError(
                f"the folder of {self.path} does not exist; make it, or give another path"
            )
        try:
            with self._engine.begin() as connection:
                _tables.create_all(connection)
                rows = {
                    "format": _FORMAT,
                    "representation": representation,
                    "encoder": encoder,
                    "uid": uuid.uuid4().hex,
                    "created": _now(),
                }
                connection.execute(
                    sa.insert(_meta), [{"key": k, "value": v} for k, v in rows.items()]
                )
        except sa.exc.OperationalError as error:
            raise RatingNotSaved(
                f"cannot write a ratings file at {self.path}: {error.orig}; "
                "choose a folder you may write to"
            ) from error

    @property
    def events(self) -> tuple[Event, ...]:
        """Every event so far, oldest first."""
        return self._known

    def append(self, event: Event) -> Event:
        """Write one event and return it with its `seq`; RatingNotSaved where the disk refuses.

        An event whose token is in the log already is not written again.
        """
        event = replace(event, token=event.token or uuid.uuid4().hex)
        self.extend([event])
        return next(e for e in reversed(self._known) if e.token == event.token)

    def extend(self, events: Sequence[Event]) -> None:
        """Write several events, all or none; what `append` says of one holds for each."""
        if not events:
            return
        values, event = [_values(each) for each in events], events[-1]
        with self._lock:
            try:
                if not self._whole:
                    self._add_columns()
                with self._engine.begin() as connection:
                    self._check_same(connection)
                    connection.execute(_INSERT, values)
                    found = self._new_events(connection)
            except sa.exc.DatabaseError as error:
                reason = str(getattr(error, "orig", error))
                hint = next((do for sign, do in _HINTS if sign in reason), "mend the file")
                what = f"{event.kind} of {event.id_str}" if event.id_str else event.kind
                what = what if len(events) == 1 else f"{event.kind} of {len(events):,} objects"
                raise RatingNotSaved(
                    f"{what} was not saved to {self.path}: {reason}; "
                    f"{hint} and try again, nothing before it is lost"
                ) from error
            self._known += found

    def refresh(self) -> None:
        """Read the events that another program wrote to the same file."""
        with self._lock, self._engine.connect() as connection:
            self._known += self._new_events(connection)

    def _new_events(self, connection: sa.Connection) -> tuple[Event, ...]:
        after = self._known[-1].seq if self._known else 0
        return _read(connection, after, self._whole)

    def _add_columns(self) -> None:
        """Give a file of an earlier version the columns that it lacks; nothing else is touched,
        and that version goes on reading and writing it."""
        with self._engine.connect() as connection:
            there = {column.name for column in _columns(connection)}
            lacking = [column for column in _events.c if column.name not in there]
            if lacking:
                self._check_same(connection)
            for column in lacking:
                kind = column.type.compile(connection.dialect)
                try:
                    connection.execute(
                        sa.text(f"ALTER TABLE events ADD COLUMN {column.name} {kind}")
                    )
                    connection.commit()
                except sa.exc.OperationalError as error:
                    if "duplicate column" not in str(error.orig):  # another program was quicker
                        raise
        self._whole = True

    def _check_same(self, connection: sa.Connection) -> None:
        """Refuse to write to a file that took the place of ours, or that has lost events."""
        found = connection.execute(_STANDING).first()
        uid, last = ("", 0) if found is None else found
        if uid != self.uid or (last or 0) < (self._known[-1].seq if self._known else 0):
            raise RatingNotSaved(
                f"{self.path} is not the file it was when it was opened; bring that one back, or "
                "open the session again"
            )


def _other(meta: dict[str, str], representation: str, encoder: str) -> str:
    """What sets the representation that a file belongs to apart from this one."""
    made = meta.get("encoder", "")
    if made == encoder or not made or not encoder:
        same = f", both of the encoder {encoder!r}" if encoder and made == encoder else ""
        return (
            f"other objects or other values (hash {meta['representation']}, this one is "
            f"{representation}{same})"
        )
    same = " version of the" if made.split(" ")[0] == encoder.split(" ")[0] else ""
    return (
        f"they were made with features of {made!r}, these are of {encoder!r}, another{same} encoder"
    )


def read_events(path: str | Path) -> tuple[Event, ...]:
    """All events of a ratings file, whichever representation it belongs to."""
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"there is no ratings file {path}")
    engine = _open(path, "ro")
    try:
        with engine.connect() as connection:
            return _read(connection)
    except sa.exc.DatabaseError as error:
        raise ValueError(f"{path} is not an anomaly_zoo ratings file") from error


def _read(connection: sa.Connection, after: int = 0, whole: bool = False) -> tuple[Event, ...]:
    """The events with a higher `seq`, oldest first; what a file does not have is None, unless it is
    known to have the whole of the columns."""
    query = _NEW
    if not whole:
        query = sa.select(*_columns(connection)).where(_AFTER).order_by(_events.c.seq)
    return tuple(_event(**row) for row in connection.execute(query, {"after": after}).mappings())


def _values(event: Event) -> dict[str, Any]:
    """The row of an event: the inverse of `_event`."""
    if event.kind not in KINDS:
        raise ValueError(f"an event is one of {', '.join(KINDS)}, got {event.kind!r}")
    event = replace(event, time=event.time or _now(), token=event.token or uuid.uuid4().hex)
    values = {k: v for k, v in vars(event).items() if k != "seq"} | {"word": None}
    if event.kind in WORDS:
        values |= {"kind": "undo", "word": f"{event.kind} {event.word}"}
    return values


def _event(kind: str, word: str | None = None, **others: Any) -> Event:
    """The event of a row of the file."""
    said, _, rest = (word or "").partition(" ")
    if kind == "undo" and said in WORDS:
        return Event(said, word=rest, **others)
    return Event(kind, **others)


def _columns(connection: sa.Connection) -> list[sa.Column]:
    """The columns of the events that the file has."""
    there = {row.name for row in connection.execute(sa.text("PRAGMA table_info(events)"))}
    return [c for c in _events.c if c.name not in _ADDED or c.name in there]


def _open(path: Path | None, mode: str) -> sa.Engine:
    """An engine with a connection an event: a file moved or removed is noticed, not refilled."""
    if path is None:
        return sa.create_engine(
            "sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False}
        )

    name = path.absolute().as_posix()
    uri = f"file://{quote(name if name.startswith('/') else '/' + name)}?mode={mode}"

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(uri, uri=True)
        connection.execute("PRAGMA synchronous=EXTRA")
        return connection

    return sa.create_engine("sqlite://", creator=connect, poolclass=NullPool)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
