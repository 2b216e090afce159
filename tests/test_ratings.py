from __future__ import annotations

import math
import os
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomaly_zoo.ratings import (
    ACTS,
    WORDS,
    Event,
    Opinions,
    RatingLog,
    RatingNotSaved,
    check_score,
    last_act,
    opinions,
    read_events,
)

HASH = "0123456789abcdef"


def test_an_event_is_in_the_file_when_append_returns(tmp_path: Path) -> None:
    path = tmp_path / "what? a name.db"
    log = RatingLog(path, HASH)
    log.append(
        Event("rate", "J1", 4.0, "eve", interest=1.5, interest_std=0.5, reason="expected 0.2")
    )
    with sqlite3.connect(path) as other:
        row = other.execute(
            "SELECT kind, id_str, score, rater, interest, interest_std, reason, time FROM events"
        ).fetchone()
    assert row[:7] == ("rate", "J1", 4.0, "eve", 1.5, 0.5, "expected 0.2")
    assert row[7].endswith("+00:00")


def test_reopening_gives_the_same_events(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    log = RatingLog(path, HASH)
    for kind, score in (("rate", 5.0), ("skip", None), ("artefact", None)):
        log.append(Event(kind, f"J-{kind}", score, "eve"))
    again = RatingLog(path, HASH)
    assert again.events == log.events
    assert again.uid == log.uid
    assert read_events(path) == log.events


def test_a_token_is_written_once(tmp_path: Path) -> None:
    log = RatingLog(tmp_path / "r.db", HASH)
    first = log.append(Event("rate", "J1", 4.0, "eve", token="abc"))
    second = log.append(Event("rate", "J1", 4.0, "eve", token="abc"))
    assert first == second
    assert len(log.events) == 1


def test_several_are_written_together_or_not_at_all(tmp_path: Path) -> None:
    log = RatingLog(tmp_path / "r.db", "rep")
    log.extend([Event("tag", f"J{i}", rater="eve", word="#ring") for i in range(300)])
    log.extend([])
    assert [e.id_str for e in log.events] == [f"J{i}" for i in range(300)]
    assert read_events(tmp_path / "r.db") == log.events
    with pytest.raises(ValueError, match="an event is one of"):
        log.extend([Event("rate", "J1", 3.0), Event("shout", "J2")])
    (tmp_path / "r.db").rename(tmp_path / "gone.db")
    with pytest.raises(RatingNotSaved, match="rate of 2 objects was not saved"):
        log.extend([Event("rate", "J1", 3.0), Event("rate", "J2", 3.0)])
    assert len(log.events) == 300


def test_two_programs_share_a_file(tmp_path: Path) -> None:
    one, two = (RatingLog(tmp_path / "r.db", HASH) for _ in range(2))
    one.append(Event("rate", "J1", 4.0, "eve"))
    two.append(Event("rate", "J2", 1.0, "bob"))
    assert [e.id_str for e in two.events] == ["J1", "J2"]
    one.refresh()
    assert one.events == two.events


def test_threads_lose_nothing(tmp_path: Path) -> None:
    log = RatingLog(tmp_path / "r.db", HASH)

    def rate(name: str) -> None:
        for i in range(20):
            log.append(Event("rate", f"{name}{i}", 3.0, name))

    threads = [threading.Thread(target=rate, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [e.seq for e in log.events] == list(range(1, 81))
    assert read_events(tmp_path / "r.db") == log.events


def test_another_representation_is_refused_with_what_to_do(tmp_path: Path) -> None:
    RatingLog(tmp_path / "r.db", HASH).append(Event("rate", "J1", 4.0, "eve"))
    with pytest.raises(ValueError, match=r"another representation.*adopt"):
        RatingLog(tmp_path / "r.db", "f" * 16)
    assert len(RatingLog(tmp_path / "r.db", HASH).events) == 1


@pytest.mark.parametrize(
    ("made", "opened", "said"),
    [
        ("zoonet 11111111", "zoonet 22222222", "another version of the encoder"),
        ("zoonet 11111111", "pixels 33333333", "another encoder"),
        ("zoonet 11111111", "zoonet 11111111", "both of the encoder 'zoonet 11111111'"),
        ("", "zoonet 11111111", "other objects or other values"),
        ("zoonet 11111111", "", "other objects or other values"),
    ],
)
def test_the_encoders_of_both_representations_are_named(
    tmp_path: Path, made: str, opened: str, said: str
) -> None:
    RatingLog(tmp_path / "r.db", HASH, made).append(Event("rate", "J1", 4.0, "eve"))
    with pytest.raises(ValueError, match=r"another representation.*adopt") as error:
        RatingLog(tmp_path / "r.db", "f" * 16, opened)
    assert said in str(error.value)
    if made and opened:
        assert repr(made) in str(error.value) and repr(opened) in str(error.value)
    assert len(RatingLog(tmp_path / "r.db", HASH, opened).events) == 1, "the values decide"


def test_a_file_that_does_not_say_its_encoder_can_be_read(tmp_path: Path) -> None:
    RatingLog(tmp_path / "r.db", HASH).append(Event("rate", "J1", 4.0, "eve"))
    with closing(sqlite3.connect(tmp_path / "r.db")) as file, file:
        file.execute("delete from meta where key = 'encoder'")
    assert len(RatingLog(tmp_path / "r.db", HASH, "zoonet 11111111").events) == 1
    with pytest.raises(ValueError, match="other objects or other values"):
        RatingLog(tmp_path / "r.db", "f" * 16, "zoonet 11111111")


def test_a_file_of_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("my notes " * 100)
    with pytest.raises(ValueError, match="not an anomaly_zoo ratings file"):
        RatingLog(path, HASH)
    with pytest.raises(ValueError, match="not an anomaly_zoo ratings file"):
        read_events(path)
    assert path.read_text() == "my notes " * 100
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as database:
        database.execute("CREATE TABLE t (x)")
    with pytest.raises(ValueError, match="not an anomaly_zoo ratings file"):
        RatingLog(other, HASH)


def test_a_missing_folder_or_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="folder"):
        RatingLog(tmp_path / "nowhere" / "r.db", HASH)
    with pytest.raises(FileNotFoundError, match="no ratings file"):
        read_events(tmp_path / "r.db")


def test_a_file_removed_meanwhile_is_not_refilled(tmp_path: Path) -> None:
    log = RatingLog(tmp_path / "r.db", HASH)
    log.append(Event("rate", "J1", 4.0, "eve"))
    (tmp_path / "r.db").unlink()
    with pytest.raises(RatingNotSaved, match="J2 was not saved"):
        log.append(Event("rate", "J2", 4.0, "eve"))
    assert [e.id_str for e in log.events] == ["J1"]
    assert not (tmp_path / "r.db").exists()


def test_the_file_stays_the_same_when_the_working_folder_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        RatingLog(tmp_path / folder / "r.db", HASH)
    monkeypatch.chdir(tmp_path / "one")
    log = RatingLog("r.db", HASH)
    monkeypatch.chdir(tmp_path / "two")
    log.append(Event("rate", "J1", 4.0, "eve"))
    assert len(read_events(tmp_path / "one" / "r.db")) == 1
    assert read_events(tmp_path / "two" / "r.db") == ()


def test_a_file_put_in_its_place_is_not_written_to(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    log = RatingLog(path, HASH)
    log.append(Event("rate", "J1", 4.0, "eve"))
    backup = path.read_bytes()
    log.append(Event("rate", "J2", 4.0, "eve"))
    path.write_bytes(backup)
    with pytest.raises(RatingNotSaved, match="not the file it was"):
        log.append(Event("rate", "J3", 4.0, "eve"))
    RatingLog(tmp_path / "other.db", HASH).append(Event("rate", "J9", 1.0, "eve"))
    path.write_bytes((tmp_path / "other.db").read_bytes())
    with pytest.raises(RatingNotSaved, match="not the file it was"):
        log.append(Event("rate", "J3", 4.0, "eve"))
    assert [e.id_str for e in read_events(path)] == ["J9"]


_CHILD = """
import os, resource, sys
from anomaly_zoo.ratings import Event, RatingLog, RatingNotSaved
log = RatingLog(sys.argv[1], "0123456789abcdef")
if sys.argv[2] == "full":
    import signal
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    size = os.path.getsize(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
elif os.getuid() == 0:
    os.setgid(65534); os.setuid(65534)
kept = 0
try:
    for i in range(1000):
        log.append(Event("rate", f"J{i}" + "x" * 100, 3.0, "eve"))
        kept += 1
except RatingNotSaved as error:
    print(kept, len(log.events), error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits of the operating system")
@pytest.mark.parametrize("trouble", ["full", "read-only"])
def test_a_disk_that_refuses_is_said_and_nothing_is_pretended(tmp_path: Path, trouble: str) -> None:
    path = tmp_path / "r.db"
    RatingLog(path, HASH)
    if trouble == "read-only":
        path.chmod(0o444)
        for folder in (tmp_path, *tmp_path.parents[:3]):
            if folder.owner() == path.owner() and folder != Path("/tmp"):
                folder.chmod(folder.stat().st_mode | 0o055 & ~0o022)
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, str(path), trouble],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)},
    )
    kept, known, message = done.stdout.split(" ", 2)
    assert "was not saved" in message
    assert kept == known
    assert len(read_events(path)) == int(kept)


@pytest.mark.parametrize("score", [-1, 5.1, math.nan, math.inf, "4", None, b"1"])
def test_scores_outside_0_to_5_are_refused(score: object) -> None:
    with pytest.raises(ValueError, match=r"0 .*to 5"):
        check_score(score)  # type: ignore[arg-type]


def test_unknown_kinds_are_refused() -> None:
    with pytest.raises(ValueError, match="got 'love'"):
        RatingLog(None, HASH).append(Event("love", "J1"))


def test_the_last_word_of_each_rater_counts() -> None:
    log = [
        Event("rate", "a", 5, "eve", seq=1),
        Event("rate", "a", 3, "bob", seq=2),
        Event("rate", "a", 1, "eve", seq=3),
        Event("rate", "b", 2, "eve", seq=4),
        Event("artefact", "b", rater="eve", seq=5),
        Event("skip", "c", rater="bob", seq=6),
    ]
    held = opinions(log)
    assert held.scores == {"a": {"eve": 1.0, "bob": 3.0}}
    assert held.mean_scores == {"a": 2.0}
    assert held.artefacts == {"b"}
    assert held.skipped == {"c"}


_ACTS = st.lists(
    st.tuples(st.sampled_from([*ACTS, "undo", *WORDS]), st.sampled_from("abc")),
    max_size=30,
)


@given(_ACTS)
def test_undo_takes_back_exactly_the_last_act(acts: list[tuple[str, str]]) -> None:
    log = RatingLog(None, HASH)
    before: list[Opinions] = []
    for kind, id_str in acts:
        if kind in WORDS:
            log.append(Event(kind, id_str, rater="eve", word="#ring"))
            before = [
                replace(held, tags=opinions(log.events).tags, limit=opinions(log.events).limit)
                for held in before
            ]
        elif kind != "undo":
            before.append(opinions(log.events))
            log.append(Event(kind, id_str, 4.0 if kind == "rate" else None, "eve"))
        elif last := last_act(log.events, "eve"):
            log.append(Event("undo", last.id_str, rater="eve", undoes=last.seq))
            assert opinions(log.events) == before.pop()
        else:
            assert not before


FIRST_VERSION = """
CREATE TABLE meta (key VARCHAR NOT NULL, value VARCHAR NOT NULL, PRIMARY KEY (key));
CREATE TABLE events (seq INTEGER NOT NULL, kind VARCHAR NOT NULL, id_str VARCHAR NOT NULL,
    score FLOAT, rater VARCHAR NOT NULL, time VARCHAR NOT NULL, interest FLOAT,
    interest_std FLOAT, reason VARCHAR NOT NULL, undoes INTEGER, token VARCHAR NOT NULL,
    PRIMARY KEY (seq), UNIQUE (token));
INSERT INTO meta VALUES ('format', 'anomaly_zoo ratings 1'), ('uid', 'abc'),
    ('representation', '0123456789abcdef'), ('encoder', ''), ('created', '2026-11-01');
INSERT INTO events VALUES (1, 'rate', 'J1', 4.0, 'eve', '2026-11-01T00:00:00.000+00:00', 1.5, 0.5,
    'a first look around', NULL, 't1');
"""
FIRST_COLUMNS = (
    *("seq", "kind", "id_str", "score", "rater", "time", "interest", "interest_std", "reason"),
    *("undoes", "token"),
)


def columns(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as file:
        return [row[1] for row in file.execute("PRAGMA table_info(events)")]


def test_a_file_of_the_first_version_opens_and_grows_with_its_next_event(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as file:
        file.executescript(FIRST_VERSION)
    [first] = read_events(path)
    assert (first.id_str, first.interest, first.p_interesting) == ("J1", 1.5, None)
    one, two = RatingLog(path, HASH), RatingLog(path, HASH)
    assert one.events == two.events == (first,)
    assert columns(path) == list(FIRST_COLUMNS), "reading changes nothing"
    one.append(Event("rate", "J2", 5.0, "eve", noise=0.3, p_interesting=0.25))
    two.append(Event("rate", "J3", 0.0, "bob", p_interesting=0.5))
    assert [(e.noise, e.p_interesting) for e in two.events] == [
        (None, None),
        (0.3, 0.25),
        (None, 0.5),
    ]
    assert set(columns(path)) == {*FIRST_COLUMNS, "noise", "p_interesting", "word"}
    with closing(sqlite3.connect(path)) as file, file:  # the first version goes on with it
        file.execute(
            "INSERT INTO events (kind, id_str, rater, time, reason, token) "
            "VALUES ('skip', 'J4', 'eve', '', '', 't4')"
        )
    one.refresh()
    assert [e.id_str for e in one.events] == ["J1", "J2", "J3", "J4"]


def test_a_file_that_took_its_place_gets_no_column(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as file:
        file.executescript(FIRST_VERSION)
    log = RatingLog(path, HASH)
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("UPDATE meta SET value = 'another' WHERE key = 'uid'")
    with pytest.raises(RatingNotSaved, match="not the file it was"):
        log.append(Event("rate", "J2", 5.0, "eve"))
    assert columns(path) == list(FIRST_COLUMNS)


def test_words_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    one, two = (RatingLog(tmp_path / "r.db", HASH) for _ in range(2))
    one.append(Event("tag", "J1", rater="eve", word="#ring"))
    two.append(Event("limit", "", rater="bob", word="z < 0.1 and  `odd name` == 'x'"))
    one.append(Event("untag", "J1", rater="eve", word="#ring"))
    two.append(Event("limit", "", rater="bob"))
    one.refresh()
    two.refresh()
    assert one.events == two.events == read_events(tmp_path / "r.db")
    assert [(e.kind, e.word) for e in one.events] == [
        ("tag", "#ring"),
        ("limit", "z < 0.1 and  `odd name` == 'x'"),
        ("untag", "#ring"),
        ("limit", ""),
    ]


def test_versions_without_words_pass_them_over(tmp_path: Path) -> None:
    """They know four kinds, take any other for a skip, and an undo of nothing for nothing."""
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as file:
        file.executescript(FIRST_VERSION)
    log = RatingLog(path, HASH)
    log.append(Event("tag", "J1", rater="eve", word="#ring"))
    log.append(Event("limit", "", rater="eve", word="z < 1"))
    with closing(sqlite3.connect(path)) as file:
        rows = file.execute("SELECT kind, undoes FROM events ORDER BY seq").fetchall()
    assert rows == [("rate", None), ("undo", None), ("undo", None)]
    held = opinions(log.events)
    assert (held.mean_scores, held.skipped) == ({"J1": 4.0}, frozenset())
    assert (held.tags, held.limit) == ({"#ring": ("J1",)}, "z < 1")


def test_a_tag_is_there_while_any_rater_says_so() -> None:
    def tags(*acts: tuple[str, str, str]) -> dict[str, tuple[str, ...]]:
        events = [Event(k, i, rater=r, word="#a", seq=n) for n, (k, i, r) in enumerate(acts)]
        return opinions(events).tags

    assert tags(("tag", "J2", "eve"), ("tag", "J1", "bob")) == {"#a": ("J2", "J1")}
    both = (("tag", "J1", "eve"), ("tag", "J1", "bob"), ("untag", "J1", "eve"))
    assert tags(*both) == {"#a": ("J1",)}
    assert tags(*both, ("untag", "J1", "bob")) == {}
    again = (*both, ("untag", "J1", "bob"), ("tag", "J2", "eve"), ("tag", "J1", "eve"))
    assert tags(*again) == {"#a": ("J1", "J2")}, "in the order in which they were first given"


@pytest.mark.parametrize("kind", ACTS)
def test_a_tag_never_hides_what_was_said_of_an_object(kind: str) -> None:
    score = 4.0 if kind == "rate" else None
    act = Event(kind, "J1", score, "eve", seq=1)
    tag, untag = (Event(k, "J1", rater="eve", word="#a", seq=9) for k in ("tag", "untag"))
    for events in ([act, tag], [tag, act], [act, tag, untag]):
        held, alone = opinions(events), opinions([act])
        assert replace(held, tags={}) == alone
        assert last_act(events, "eve") == act


def test_words_in_a_file_that_are_no_tags_are_passed_over(tmp_path: Path) -> None:
    log = RatingLog(tmp_path / "r.db", HASH)
    log.append(Event("tag", "J1", rater="eve", word="#ring"))
    for token, word in enumerate(("tag <b>x</b>", "tag #Ring", "rate #a", "tag", "love #a", "")):
        with closing(sqlite3.connect(tmp_path / "r.db")) as file, file:
            file.execute(
                "INSERT INTO events (kind, id_str, rater, time, reason, token, word) "
                "VALUES ('undo', 'J2', 'eve', '', '', ?, ?)",
                (str(token), word),
            )
    log.refresh()
    assert len(log.events) == 7
    held = opinions(log.events)
    assert held.tags == {"#ring": ("J1",)}
    assert not held.scores and not held.skipped
