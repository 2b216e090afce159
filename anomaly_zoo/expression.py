"""The parts of a search: a tree of frozen nodes that prints as the words it was asked with."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from numbers import Integral, Real
from typing import Any

import numpy as np

from anomaly_zoo.positions import check_angle, check_position
from anomaly_zoo.tags import tag_of

LONGEST = 2000
"""Characters of a search in words."""
DEEPEST = 40
"""How many nodes may stand one in another."""
NEAREST = 1000
"""How many are near, where nobody says."""
WORDS = ("and", "or", "not", "in", "true", "false", "rated", "unrated")
"""Words that are no names, in any case."""
CALLS = ("near", "tagged", "within", "votes", "date")
"""Words that are no names where what they ask for follows them."""
ID = re.compile(r"\w[\w.+:-]*")
"""An id that needs no quotes."""
_NAME = re.compile(r"[^\W\d]\w*")


@dataclass(frozen=True)
class Node:
    """A part of a search; `str` gives its words."""

    @property
    def parts(self) -> tuple[Node, ...]:
        """The nodes that it is made of."""
        return ()

    @property
    def binds(self) -> int:
        """How strongly it holds together; where less than what is around it, in brackets."""
        return 9

    def __post_init__(self) -> None:
        if _depth(self) > DEEPEST:
            raise ValueError(f"a search is nested at most {DEEPEST} deep; say it in fewer brackets")


class Value(Node):
    """What has a value for each object."""


class Condition(Node):
    """What holds for an object or does not."""


@dataclass(frozen=True)
class Number(Value):
    """A number; whole ones beyond 64 bits become floats. Raises ValueError for NaN and infinity.

    >>> str(Number(0.5)), str(Number(-2))
    ('0.5', '-2')
    """

    value: int | float

    def __post_init__(self) -> None:
        value = self.value
        if isinstance(value, bool | np.bool_) or not isinstance(value, Real):
            raise ValueError(f"expected a number, got {value!r}")
        whole = isinstance(value, Integral) and abs(int(value)) < 2**64
        value = int(value) if whole else _float(value)
        if not math.isfinite(value):
            raise ValueError("a number is finite, and so below 1.8e308")
        object.__setattr__(self, "value", value)

    def __str__(self) -> str:
        """Return it with as few digits as tell it apart."""
        return repr(self.value)


@dataclass(frozen=True)
class Text(Value):
    """A text, or a date as ISO 8601 writes it."""

    value: str

    def __post_init__(self) -> None:
        if not isinstance(self.value, str):
            raise ValueError(f"expected text, got {self.value!r}")

    def __str__(self) -> str:
        """Return it in double quotes."""
        return json.dumps(self.value, ensure_ascii=False)


@dataclass(frozen=True)
class Truth(Value):
    """True or False."""

    value: bool

    def __str__(self) -> str:
        """Return the word."""
        return str(bool(self.value))


@dataclass(frozen=True)
class Name(Value):
    """A column by its name; where it holds True and False it is a condition as well.

    >>> str(Name("redshift")), str(Name("petro-r"))
    ('redshift', '`petro-r`')
    """

    name: str

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise ValueError(f"expected the name of a column, got {self.name!r}")

    def __str__(self) -> str:
        """Return it, in backticks where it holds other signs or is a word of the language."""
        if _NAME.fullmatch(self.name) and self.name.lower() not in (*WORDS, *CALLS):
            return self.name
        return "`" + self.name.replace("`", "``") + "`"


@dataclass(frozen=True)
class Votes(Value):
    """The posterior mean of a share of votes, 0 to 1; see `anomaly_zoo.votes.fraction`."""

    question: str
    answer: str

    def __str__(self) -> str:
        """Return the call."""
        return f"votes({Text(self.question)}, {Text(self.answer)})"


@dataclass(frozen=True)
class Negative(Value):
    """A value with its sign turned; that of a `Number` is a number."""

    value: Node

    def __post_init__(self) -> None:
        _check_values(self.value)
        if isinstance(self.value, Number):
            raise ValueError(f"write the number {-self.value.value} as one")
        super().__post_init__()

    @property
    def parts(self) -> tuple[Node, ...]:
        """The value."""
        return (self.value,)

    @property
    def binds(self) -> int:
        """Stronger than a product."""
        return 7

    def __str__(self) -> str:
        """Return it after a minus."""
        return f"-{_inside(self.value, 7)}"


@dataclass(frozen=True)
class Arithmetic(Value):
    """Two values joined by + - * or /."""

    left: Node
    sign: str
    right: Node

    def __post_init__(self) -> None:
        _check_values(self.left, self.right)
        super().__post_init__()

    @property
    def parts(self) -> tuple[Node, ...]:
        """Both values."""
        return self.left, self.right

    @property
    def binds(self) -> int:
        """A product more than a sum."""
        return 5 if self.sign in "+-" else 6

    def __str__(self) -> str:
        """Return them with the sign between."""
        left, right = _inside(self.left, self.binds), _inside(self.right, self.binds + 1)
        return f"{left} {self.sign} {right}"


@dataclass(frozen=True)
class Compare(Condition):
    """Values compared, two or a chain of them: `first` and then (sign, value) for each other.

    >>> str(Compare(Number(0.02), (("<=", Name("redshift")), ("<", Number(0.1)))))
    '0.02 <= redshift < 0.1'
    """

    first: Node
    others: tuple[tuple[str, Node], ...]

    def __post_init__(self) -> None:
        _check_values(*self.parts)
        super().__post_init__()

    @property
    def parts(self) -> tuple[Node, ...]:
        """The values."""
        return self.first, *(value for _, value in self.others)

    @property
    def binds(self) -> int:
        """Less than a sum."""
        return 4

    def __str__(self) -> str:
        """Return them with the signs between."""
        others = (f" {sign} {_inside(value, 5)}" for sign, value in self.others)
        return _inside(self.first, 5) + "".join(others)


@dataclass(frozen=True)
class Among(Condition):
    """A value that is one of several, or (`negated`) none of them.

    >>> str(Among(Name("type"), (Text("S0"), Text("E"))))
    'type in ["S0", "E"]'
    """

    value: Node
    several: tuple[Number | Text | Truth, ...]
    negated: bool = False

    def __post_init__(self) -> None:
        _check_values(self.value)
        for one in self.several:
            if not isinstance(one, Number | Text | Truth):
                raise ValueError(f"a list holds numbers, texts, True or False, got {one}")
        super().__post_init__()

    @property
    def parts(self) -> tuple[Node, ...]:
        """The value and those it may be."""
        return self.value, *self.several

    @property
    def binds(self) -> int:
        """Less than a sum."""
        return 4

    def __str__(self) -> str:
        """Return it with the list."""
        several = ", ".join(map(str, self.several))
        return f"{_inside(self.value, 5)} {'not in' if self.negated else 'in'} [{several}]"


@dataclass(frozen=True)
class Near(Condition):
    """The k objects closest to some examples: ids, and tags for the objects that carry them.

    to : "any" for the closest example, "mean" for their mean. apart : those closer on the sky than
    so many arcsec to an example or a nearer object are left out, None for no such thing.

    >>> str(Near(("#Ring",))), str(Near(("J1", "J 2"), k=50, apart=5))
    ('near #ring', 'near("J1", "J 2", k=50, apart=5)')
    """

    examples: tuple[str, ...]
    k: int = NEAREST
    to: str = "any"
    apart: float | None = None

    def __post_init__(self) -> None:
        if not self.examples:
            raise ValueError("near wants an example, such as near J1234 or near #ring")
        for example in self.examples:
            if not isinstance(example, str) or not example.strip():
                raise ValueError(f"an example is an id or a tag, got {example!r}")
        examples = tuple(tag_of(e) if e.startswith("#") else e for e in self.examples)
        object.__setattr__(self, "examples", examples)
        _check_nearest(self)

    def __str__(self) -> str:
        """Return it without what is as usual."""
        more = _said(self)
        if len(self.examples) > 1 or more:
            return f"near({', '.join([*(str(Text(e)) for e in self.examples), *more])})"
        example = self.examples[0]
        plain = example[0] == "#" or (ID.fullmatch(example) and example.lower() not in WORDS)
        return f"near {example if plain else Text(example)}"


@dataclass(frozen=True, eq=False)
class Alike(Condition):
    """The k objects closest to vectors (m, d) of the representation that are no object's of the
    catalogue, such as those of an image; it can be neither parsed nor saved.

    >>> str(Alike("ring.jpg", np.zeros((1, 2))))
    'near <image "ring.jpg">'
    """

    label: str
    vectors: np.ndarray
    k: int = NEAREST
    to: str = "any"
    apart: float | None = None

    def __post_init__(self) -> None:
        vectors = np.array(self.vectors, dtype=np.float64)
        if vectors.ndim != 2 or not len(vectors) or not np.isfinite(vectors).all():
            raise ValueError(f"expected finite vectors (m, d), got the shape {vectors.shape}")
        vectors.flags.writeable = False
        object.__setattr__(self, "vectors", vectors)
        _check_nearest(self)

    def __str__(self) -> str:
        """Return what stands for it."""
        return "near <image " + ", ".join([str(Text(self.label)), *_said(self)]) + ">"


@dataclass(frozen=True, eq=False)
class Given(Condition):
    """Objects by their rows (m,), such as those within a lasso; it can be neither parsed nor saved.

    >>> str(Given("lasso", np.array([2, 0])))
    '<lasso of 2>'
    """

    label: str
    rows: np.ndarray

    def __post_init__(self) -> None:
        rows = np.array(self.rows, dtype=np.int64)
        if rows.ndim != 1:
            raise ValueError(f"expected rows (m,), got the shape {rows.shape}")
        rows.flags.writeable = False
        object.__setattr__(self, "rows", rows)

    def __str__(self) -> str:
        """Return what stands for it."""
        return f"<{self.label} of {len(self.rows):,}>"


@dataclass(frozen=True)
class Tagged(Condition):
    """Those that carry a tag."""

    tag: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "tag", tag_of(self.tag))

    def __str__(self) -> str:
        """Return the words."""
        return f"tagged {self.tag}"


@dataclass(frozen=True)
class Rated(Condition):
    """Those that have a score, or those that have none."""

    rated: bool = True

    def __str__(self) -> str:
        """Return the word."""
        return "rated" if self.rated else "unrated"


@dataclass(frozen=True)
class Within(Condition):
    """Those within `radius` arcsec of a position, right ascension and declination in degrees."""

    ra: float
    dec: float
    radius: float

    def __post_init__(self) -> None:
        check_position(self.ra, self.dec)
        check_angle(self.radius, "the radius")

    def __str__(self) -> str:
        """Return the call."""
        return f"within({Number(self.ra)}, {Number(self.dec)}, {Number(self.radius)})"


@dataclass(frozen=True)
class Not(Condition):
    """What does not hold."""

    part: Node

    def __post_init__(self) -> None:
        check_conditions(self.part)
        super().__post_init__()

    @property
    def parts(self) -> tuple[Node, ...]:
        """The condition."""
        return (self.part,)

    @property
    def binds(self) -> int:
        """Less than a comparison."""
        return 3

    def __str__(self) -> str:
        """Return it after NOT."""
        return f"NOT {_inside(self.part, 9)}"


@dataclass(frozen=True)
class _Several(Condition):
    conditions: tuple[Node, ...]

    def __post_init__(self) -> None:
        inner = ((c.parts if type(c) is type(self) else (c,)) for c in self.conditions)
        object.__setattr__(self, "conditions", tuple(part for parts in inner for part in parts))
        check_conditions(*self.conditions)
        if len(self.conditions) < 2:
            raise ValueError(f"expected two conditions or more, got {len(self.conditions)}")
        super().__post_init__()

    @property
    def parts(self) -> tuple[Node, ...]:
        """The conditions."""
        return self.conditions


class And(_Several):
    """Conditions that all hold; one And within another is the same one.

    >>> flag = Name("flag")
    >>> And((flag, And((flag, Not(flag))))) == And((flag, flag, Not(flag)))
    True
    """

    @property
    def binds(self) -> int:
        """More than Or."""
        return 2

    def __str__(self) -> str:
        """Return them joined."""
        return " AND ".join(_inside(part, 3) for part in self.conditions)


class Or(_Several):
    """Conditions of which one holds, or more; one Or within another is the same one."""

    @property
    def binds(self) -> int:
        """The least."""
        return 1

    def __str__(self) -> str:
        """Return them joined."""
        return " OR ".join(_inside(part, 2) for part in self.conditions)


def walk(tree: Node) -> Iterator[Node]:
    """All nodes of a tree, itself first.

    >>> names = [node.name for node in walk(Not(Name("flag"))) if isinstance(node, Name)]
    >>> names
    ['flag']
    """
    yield tree
    for part in tree.parts:
        yield from walk(part)


def savable(tree: Node) -> bool:
    """Whether its words say all of it, in no more than 2,000 characters: such as can be saved.

    >>> savable(Near(("J1",))), savable(Not(Given("lasso", np.array([1]))))
    (True, False)
    """
    return len(str(tree)) <= LONGEST and not any(isinstance(n, Alike | Given) for n in walk(tree))


def moment(text: str) -> datetime:
    """A date or date and time as ISO 8601 writes it, in UTC and without a zone.

    Raises ValueError for any other text.

    >>> moment("2020-01-31"), moment("2020-01-31T01:00+01:00")
    (datetime.datetime(2020, 1, 31, 0, 0), datetime.datetime(2020, 1, 31, 0, 0))
    """
    try:
        read = datetime.fromisoformat(text.strip())
        return read.astimezone(UTC).replace(tzinfo=None) if read.tzinfo else read
    except (ValueError, OverflowError):
        raise ValueError(f'a date is written as "2020-01-31", got {text!r}') from None


def _depth(node: Node) -> int:
    return 1 + max(map(_depth, node.parts), default=0)


def _inside(node: Node, binds: int) -> str:
    return f"({node})" if node.binds < binds else str(node)


def _check_values(*nodes: Node) -> None:
    for node in nodes:
        if not isinstance(node, Value):
            raise ValueError(f"{_short(node)} is a condition; here a value is wanted")


def check_conditions(*nodes: Node) -> None:
    """Raise ValueError for a node that can be no condition."""
    for node in nodes:
        if not isinstance(node, Condition | Name):
            raise ValueError(
                f"{_short(node)} is no condition: compare it with something, such as x > 0.5"
            )


def _check_nearest(node: Near | Alike) -> None:
    if isinstance(node.k, bool) or not isinstance(node.k, Integral) or node.k < 1:
        raise ValueError(f"k is how many near ones are wanted, at least 1, got {node.k!r}")
    if node.to not in ("any", "mean"):
        raise ValueError(f'to is "any" (of the examples) or "mean" (of them), got {node.to!r}')
    if node.apart is not None:
        check_angle(node.apart, "apart")


def _said(node: Near | Alike) -> list[str]:
    """What of a search for near ones is not as usual, in words."""
    words = [] if node.k == NEAREST else [f"k={node.k}"]
    words += [] if node.to == "any" else [f"to={Text(node.to)}"]
    return words + ([] if node.apart is None else [f"apart={Number(node.apart)}"])


def _short(node: Any) -> str:
    text = str(node)
    return text if len(text) <= 60 else text[:60] + "…"


def _float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf
