"""What the finder asks: how many galaxies match some words, and how a column can be cut."""

from __future__ import annotations

from typing import Any

import numpy as np

from anomaly_zoo.catalog import HANDLES
from anomaly_zoo.cuts import Cut, codes, describe, histogram
from anomaly_zoo.expression import And, Name, Votes, walk
from anomaly_zoo.known import BELIEFS
from anomaly_zoo.query import parse, rewritten
from anomaly_zoo.session import Session, State
from anomaly_zoo.votes import Question, questions

_GROUPS = ("votes", "columns", "model")


class Asking:
    """Answers the questions of the finder about one session; each is a method named like it.

    Cuts are described once: a histogram of a million values takes some time.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        own = [] if session.catalog is None else list(session.catalog.table.columns)
        self._questions: dict[str, Question] = questions(own)
        votes = {column for question in self._questions.values() for column in question.columns}
        plain = [name for name in own if name not in votes | HANDLES | set(BELIEFS)]
        named = (list(self._questions), plain, list(BELIEFS))
        self.names = [
            {"name": name, "group": group, "words": self._words(name, group)}
            for group, names in zip(_GROUPS, named, strict=True)
            for name in names
        ]
        self._cuts: dict[tuple[str, str], tuple[int, Cut, list[int]]] = {}

    def _words(self, name: str, group: str) -> list[str]:
        """How a column, or each answer to a question, stands in a search."""
        if group != "votes":
            return [str(Name(name))]
        return [str(Votes(name, answer)) for answer in self._questions[name].answers]

    def count(self, content: dict[str, Any], state: State) -> dict[str, Any]:
        """How many match the words: of those within the limit, or of all ("free")."""
        words, free = str(content.get("words", "")), bool(content.get("free"))
        if not free or state.within is None:  # the search is remembered for Enter
            return {"count": self._session.count(words, state)}
        return {"count": int(np.count_nonzero(self._session.known(state).found(parse(words)).mask))}

    def describe(self, content: dict[str, Any], state: State) -> dict[str, Any]:
        """What a slider or a list of choices needs of a column or a share of votes."""
        name, group = self._named(content)
        more: dict[str, Any] = {}
        answer = ""
        if group == "votes":
            answers = list(self._questions[name].answers)
            answer = str(content.get("answer") or answers[0])
            prior = (
                f"the posterior mean of a share, (k + 1) / (N + {len(answers)}) for k of N votes"
            )
            more = {"answers": answers, "answer": answer, "note": f"{name}: {prior}"}
        cut, counts = self._cut(name, group, answer, state)
        if cut.kind == "none":
            return {"form": "none", "why": cut.why, **more}
        if cut.kind in ("choice", "flag"):
            texts = cut.choices or ("no", "yes")
            pairs = [{"value": t, "count": c} for t, c in zip(texts, counts, strict=True)]
            return {"form": cut.kind, "choices": pairs, **more}
        return {
            "form": "range",
            "date": cut.kind == "date",
            "low": cut.low,
            "high": cut.high,
            "step": cut.step,
            "below": bool(cut.lowest < cut.low),
            "above": bool(cut.highest > cut.high),
            "counts": counts,
            **more,
        }

    def say(self, content: dict[str, Any], state: State) -> dict[str, Any]:
        """Where a slider or a choice stands, in words, and a search in which that takes the place
        of what it said before."""
        name, group = self._named(content)
        cut, _ = self._cut(name, group, str(content.get("answer") or ""), state)
        chosen = content.get("chosen")
        if cut.kind == "flag":
            chosen = None if not chosen or len(chosen) == 2 else chosen == ["yes"]
        elif not chosen:
            chosen = None
        said, before = cut.words(chosen), str(content.get("said") or "")
        return {"said": said, "words": rewritten(str(content.get("words", "")), before, said)}

    def without(self, content: dict[str, Any], state: State) -> dict[str, Any]:
        """A search without what a cut said."""
        said = str(content.get("said") or "")
        return {"words": rewritten(str(content.get("words", "")), said, "")}

    def cuts(self, content: dict[str, Any], state: State) -> dict[str, Any]:
        """Which parts of some words are cuts: what each is of, what is chosen, and its words."""
        tree = parse(str(content.get("words", "")))
        found: dict[tuple[str, str], dict[str, Any]] = {}
        for part in tree.parts if isinstance(tree, And) else (tree,):
            of = [node for node in walk(part) if isinstance(node, Name | Votes)]
            if len(of) != 1:
                continue
            name, answer = _of(of[0])
            group = next((known["group"] for known in self.names if known["name"] == name), "")
            if (answer and name not in self._questions) or not group or (name, group) in found:
                continue
            chosen = self._cut(name, group, answer, state)[0].chosen(part)
            if chosen is not None:
                about = {"name": name, "group": group, "answer": answer, "said": str(part)}
                if isinstance(chosen, bool):
                    chosen = ["yes" if chosen else "no"]
                found[name, group] = {**about, "chosen": chosen}
        return {"cuts": list(found.values())}

    def _named(self, content: dict[str, Any]) -> tuple[str, str]:
        """The name and the group that a question is about."""
        asked = str(content.get("name")), str(content.get("group"))
        if asked not in ((known["name"], known["group"]) for known in self.names):
            raise ValueError(f"there is nothing named {asked[0]!r} to cut on")
        return asked

    def _cut(self, name: str, group: str, answer: str, state: State) -> tuple[Cut, list[int]]:
        """A cut and its histogram; what the model says changes with each State."""
        of = state.n_events if group == "model" else 0
        last = self._cuts.get((name, answer))
        if last is None or last[0] != of:
            known, votes = self._session.known(state, state.within), group == "votes"
            values = known.votes(name, answer) if votes else known.column(name)
            cut = describe(values, Votes(name, answer) if votes else name)
            counts = [] if cut.kind == "none" else histogram(codes(values, cut), cut).tolist()
            last = self._cuts[name, answer] = of, cut, counts
        return last[1:]


def _of(value: Name | Votes) -> tuple[str, str]:
    """The column, or the question and the answer."""
    return (value.name, "") if isinstance(value, Name) else (value.question, value.answer)
