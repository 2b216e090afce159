"""Replay: a rater whose scores are known looks at what a session asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd

from anomaly_zoo.posterior import INTERESTING
from anomaly_zoo.ratings import check_score
from anomaly_zoo.session import Session

_COLUMNS = {
    "look": np.int64,
    "id_str": object,
    "score": np.float64,
    "said": object,
    "interest": np.float64,
    "interest_std": np.float64,
    "p_interesting": np.float64,
    "reason": object,
    "found": np.int64,
}


def autopilot(
    session: Session,
    scores: Mapping[str, Any] | pd.Series | Callable[[str], Any],
    n: int = 200,
    batch: int = 10,
) -> pd.DataFrame:
    """Let a rater whose scores are known take `n` looks at what the session asks for.

    `scores` gives the score of an object by its id_str: a dict, a pandas Series with the ids as
    its index, or a function. A score is a number from 0 to 5; None skips the object, "artefact"
    flags it, and both cost a look too. A dict or Series must know every object of the session and
    may know others; a function is called with an id once the session has asked for it. Either way
    the session is told about no object that it did not ask for.

    The session is asked for `batch` objects at a time, sees them all rated, and is asked again,
    until there were `n` looks or nothing is left. What was rated before stays and is not counted.

    Returns a table with one row per look: look (from 1), id_str, score (NaN where there was none),
    said ("rated", "skipped" or "artefact"), what the model expected before the batch was rated
    (interest and interest_std in score units, p_interesting the probability of a score of at least
    4), reason (why it was shown), and found: how many scores of at least 4 there were so far.

    Raises TypeError for anything that is not a Session or gives no scores, ValueError for `n` or
    `batch` below 1, for objects without a score and for scores that are not in 0 to 5. A dict or
    Series is checked before the first look; where a function fails, the ratings so far are kept.

    >>> import numpy as np, anomaly_zoo as az
    >>> X = np.random.default_rng(0).normal(size=(300, 4))
    >>> X[:12] += 3
    >>> truth = {f"J{i:03d}": 5 if i < 12 else 0 for i in range(300)}
    >>> session = az.Session(az.Representation(list(truth), X), seed=0)
    >>> looks = az.autopilot(session, truth, n=40)
    >>> len(looks), int(looks["found"].iloc[-1]) > 6
    (40, True)
    >>> sorted(set(looks["score"])) == [0, 5] and set(looks["said"]) == {"rated"}
    True
    """
    if not isinstance(session, Session):
        raise TypeError(f"expected an az.Session first, got {type(session).__name__}")
    for name, value in (("n", n), ("batch", batch)):
        if not isinstance(value, Integral) or value < 1:
            raise ValueError(f"{name} is a whole number, at least one, got {value!r}")
    answer = _rater(scores, session)
    rows: list[tuple[Any, ...]] = []
    found = 0
    while len(rows) < n:
        picks = session.picks(min(batch, n - len(rows)))
        if not picks:
            break
        chance = session.state.p_interesting
        expected = chance[session.representation.rows([pick.id_str for pick in picks])]
        for pick, p_interesting in zip(picks, expected, strict=True):
            said, score = _act(session, pick.id_str, answer(pick.id_str), pick.reason)
            found += score >= INTERESTING
            before = pick.interest, pick.interest_std, float(p_interesting)
            rows.append((len(rows) + 1, pick.id_str, score, said, *before, pick.reason, found))
    return pd.DataFrame(rows, columns=list(_COLUMNS)).astype(_COLUMNS)


def _act(session: Session, id_str: str, answer: Any, reason: str) -> tuple[str, float]:
    """Tell the session what the rater says; what was said and the score, NaN without one."""
    if answer is None:
        session.skip(id_str, reason=reason)
        return "skipped", np.nan
    if isinstance(answer, str) and answer == "artefact":
        session.flag(id_str, reason=reason)
        return "artefact", np.nan
    score = _score(id_str, answer)
    session.rate(id_str, score, reason=reason)
    return "rated", score


def _rater(scores: object, session: Session) -> Callable[[str], Any]:
    """A function from an id to its answer; a table is checked as a whole first."""
    if isinstance(scores, pd.Series):
        if not scores.index.is_unique:
            twice = scores.index[scores.index.duplicated()][0]
            raise ValueError(f"scores has {twice!r} twice; give one score per object")
        scores = dict(zip(scores.index, scores.to_numpy(dtype=object), strict=True))
    if isinstance(scores, Mapping):
        ids = session.representation.ids
        missing = [id_str for id_str in ids if id_str not in scores]
        if missing:
            raise ValueError(
                f"scores has nothing for {len(missing):,} of the session's {len(ids):,} objects, "
                f"such as {missing[0]!r}; give each a score, or None where it is to be skipped"
            )
        for id_str in ids:
            _check(id_str, scores[id_str])
        return scores.__getitem__
    if not callable(scores):
        raise TypeError(
            "scores is a dict, a pandas Series with the ids as its index, or a function of an id, "
            f"got {type(scores).__name__}"
        )
    return scores


def _check(id_str: str, answer: Any) -> None:
    if not (answer is None or (isinstance(answer, str) and answer == "artefact")):
        _score(id_str, answer)


def _score(id_str: str, answer: Any) -> float:
    try:
        return check_score(answer)
    except ValueError:
        raise ValueError(
            f"the score of {id_str!r} is a number from 0 to 5, None (skip) or 'artefact', "
            f"got {answer!r}"
        ) from None
