"""The language of searches: text -> a tree, which `anomaly_zoo.matching` asks of the objects.

    redshift < 0.1 AND near #ring AND interest > 3

The syntax is that of `DataFrame.query` (pandas), without its functions and methods:

- `and`, `or`, `not` in any case, or `&`, `|`, `~`; round brackets; comparisons, chained ones too
  (`0.02 <= redshift < 0.1`); `type in ["S0", "E"]`, `not in`; `+ - * /`; numbers, text in quotes,
  True and False; a column of True and False stands by itself;
- a name with other signs than letters, digits and _ stands in backticks: `petro-r` > 5;
- a column of dates is compared with text as ISO 8601 writes it: taken >= "2020-01-31".

To it come:

- `near #ring`, `near J1234`, `near "J 12"`, `near("J1", "#ring", k=500, to="mean", apart=5)`: the k
  (1000) closest in the representation to any of some objects and tagged objects, or to their mean,
  without those closer on the sky than `apart` arcsec to a nearer one. Joined by AND to other
  conditions, they are the closest of those that match the others;
- `tagged #ring`, or `#ring` alone; `rated` and `unrated`;
- `within(10.5, -3.2, 30)`: right ascension and declination (ICRS degrees), radius (arcsec);
- `votes("bar", "yes") > 0.8`: the posterior mean of a share of votes.

Names are the columns of the catalogue and what the model says: `interest`, `interest_std`,
`p_interesting`, `p_artefact` and `score` (of the rated). A column of the catalogue with one of
those names is hidden by the model's. A missing value matches no comparison but `!=`, as in pandas.
Nothing of a text is ever run as Python: what is not listed here is an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

from anomaly_zoo.expression import (
    DEEPEST,
    ID,
    LONGEST,
    WORDS,
    Among,
    And,
    Arithmetic,
    Compare,
    Name,
    Near,
    Negative,
    Node,
    Not,
    Number,
    Or,
    Rated,
    Tagged,
    Text,
    Truth,
    Votes,
    Within,
    check_conditions,
    moment,
)

__all__ = ["parse", "rewritten"]

_TOKEN = re.compile(
    r"""(?P<number>(?:\d++(?:\.\d*+)?|\.\d++)(?:[eE][+-]?\d++)?(?![\w.]))
      | (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
      | (?P<quoted>`(?:[^`]|``)+`)
      | (?P<tag>\#[^\s()\[\]<>=!&|~,;+*/"'`]+)
      | (?P<word>[^\W\d]\w*)
      | (?P<sign><=|>=|==|!=|\*(?!\*)|/(?!/)|&(?!&)|\|(?!\|)|[<>=~+(),\[\]-])
      | (?P<end>\Z)""",
    re.VERBOSE | re.DOTALL,
)
_SPACE = re.compile(r"[ \t\r\n]*")
_HALF = re.compile("[\ud800-\udfff]")
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"} | {s: s for s in "\\\"'/"}
_HINTS = {
    "**": "there are no powers",
    "//": "there is no // here",
    "%": "there is no remainder",
    "&&": "write & or AND",
    "||": "write | or OR",
    "!": "write NOT, or != for unequal",
    "@": "variables of Python are not known here; write the value",
    "<image": "an image cannot be said in words; give it to the search again",
    ".": "there are no attributes; a name with a dot stands in backticks",
    "[": "nothing has places; a list follows `in`",
    "(": "what can be called is near, tagged, within, votes and date",
    '"': "a quote is not closed",
    "'": "a quote is not closed",
    "`": "a backtick is not closed",
    "#": "a tag is # and then letters, digits, - or _",
}


def parse(text: str) -> Node:
    """The tree of a search in words, of at most 2,000 characters and 40 brackets deep.

    `str` of it gives the words again, in one way of writing them, and they parse to an equal tree.

    Raises ValueError, with the place, for a text that is no search; TypeError for no text.

    >>> str(parse("redshift<.1 & near #Ring and not (type in ['E'] | flag)"))
    'redshift < 0.1 AND near #ring AND NOT (type in ["E"] OR flag)'
    >>> parse("__import__('os').system('ls')")
    Traceback (most recent call last):
    ...
    ValueError: cannot read "…('os').system('ls')", at character 11: what can be called is near, \
tagged, within, votes and date
    """
    if not isinstance(text, str):
        raise TypeError(f"a search is a text, such as 'redshift < 0.1', got {type(text).__name__}")
    if len(text) > LONGEST:
        raise ValueError(f"a search has at most {LONGEST:,} characters, got {len(text):,}")
    if wrong := _FORBIDDEN.search(text):
        raise ValueError(
            f"a search is plain text, got {wrong[0]!r} at character {wrong.start() + 1}"
        )
    if not text.strip():
        raise ValueError("expected a search, such as 'redshift < 0.1', got no words")
    return _Parser(text).whole()


def rewritten(text: str, old: str, new: str) -> str:
    """A search with one of its conditions, `old`, replaced by `new`; any of them may be empty.

    Where `old` is none of the conditions that are joined by AND, `new` joins them.

    Raises ValueError where a text is no search.

    >>> rewritten("mag < 17 AND petro_mag < 17", "mag < 17", "mag < 18")
    'mag < 18 AND petro_mag < 17'
    >>> rewritten("rated OR #ring", "", "mag < 18"), rewritten("mag < 18", "mag < 18", "")
    ('(rated OR tagged #ring) AND mag < 18', '')
    """
    whole, before, after = (_conditions(part) for part in (text, old, new))
    for start in range(len(whole) - len(before) + 1 if before else 0):
        if whole[start : start + len(before)] == before:
            whole[start : start + len(before)] = after
            break
    else:
        whole += after
    if not whole:
        return ""
    return str(whole[0] if len(whole) == 1 else And(tuple(whole)))


def _conditions(text: str) -> list[Node]:
    """What a search joins by AND."""
    tree = parse(text) if text.strip() else None
    return list(tree.parts) if isinstance(tree, And) else [tree] if tree else []


@dataclass(frozen=True)
class _Token:
    """A piece of a text: `word` is a sign or a word of the language, "" for all else."""

    kind: str
    text: str
    start: int
    word: str = ""

    @property
    def end(self) -> int:
        return self.start + len(self.text)


class _Parser:
    """Reads a text from left to right: a method a rule, the loosest first."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.depth = 0
        self.next = self._token(0)

    def whole(self) -> Node:
        tree = self._either()
        if self.next.kind != "end":
            self._fail()
        check_conditions(tree)
        return tree

    # Tokens

    def _past_space(self, at: int) -> int:
        space = _SPACE.match(self.text, at)
        return space.end() if space else at

    def _token(self, at: int) -> _Token:
        start = self._past_space(at)
        match = _TOKEN.match(self.text, start)
        if match is None or match.lastgroup is None:
            return _Token("unknown", self.text[start : start + 1], start)
        kind, text = match.lastgroup, match[0]
        spoken = kind == "sign" or (kind == "word" and text.lower() in WORDS)
        return _Token(kind, text, start, text.lower() if spoken else "")

    def _take(self) -> _Token:
        token = self.next
        self.next = self._token(token.end)
        return token

    def _took(self, *words: str) -> str:
        """One of these words if it comes next, which is then taken."""
        word = self.next.word
        if word and word in words:
            self._take()
            return word
        return ""

    def _want(self, word: str) -> None:
        if not self._took(word):
            self._fail(otherwise=f"expected {word}")

    def _fail(self, why: str = "", at: int | None = None, otherwise: str = "") -> NoReturn:
        """Raise the error of a place, which is the next token where no other is given."""
        at = self.next.start if at is None else at
        rest = self.text[at:]
        if not rest.strip():
            raise ValueError(f"cannot read {_short(self.text)!r}: it ends where more is expected")
        if not why:
            why = next((_HINTS[sign] for sign in _HINTS if rest.startswith(sign)), otherwise)
            if self.next.kind == "unknown" and rest[0].isdigit():
                why = "a name that begins with a digit stands in backticks, an id in quotes"
        raise ValueError(
            f"cannot read {('…' if at else '') + _short(rest)!r}, at character {at + 1}: "
            f"{why or 'it is not expected here'}"
        )

    # Rules

    def _deeper(self, rule: Callable[[], Node]) -> Node:
        self.depth += 1
        if self.depth > DEEPEST:
            self._fail(f"a search is nested at most {DEEPEST} deep")
        node = rule()
        self.depth -= 1
        return node

    def _either(self) -> Node:
        conditions = [self._all()]
        while self._took("or", "|"):
            conditions.append(self._all())
        return conditions[0] if len(conditions) == 1 else Or(tuple(conditions))

    def _all(self) -> Node:
        conditions = [self._negated()]
        while self._took("and", "&"):
            conditions.append(self._negated())
        return conditions[0] if len(conditions) == 1 else And(tuple(conditions))

    def _negated(self) -> Node:
        if self._took("not"):
            return Not(self._deeper(self._negated))
        return self._comparison()

    def _comparison(self) -> Node:
        first = self._sum()
        others: list[tuple[str, Node]] = []
        while sign := self._took("<", "<=", ">", ">=", "==", "=", "!="):
            sign = "==" if sign == "=" else sign
            if not others and sign in ("==", "!=") and self.next.word == "[":
                return Among(first, self._list(), sign == "!=")
            others.append((sign, self._sum()))
        if others:
            return Compare(first, tuple(others))
        if self._took("not"):
            self._want("in")
            return Among(first, self._list(), negated=True)
        return Among(first, self._list()) if self._took("in") else first

    def _list(self) -> tuple[Number | Text | Truth, ...]:
        opened = self._took("[", "(")
        if not opened:
            self._fail('expected a list, such as ["S0", "E"]')
        closing, several = {"[": "]", "(": ")"}[opened], []
        while not self._took(closing):
            several.append(self._literal())
            if self.next.word != closing:
                self._want(",")
        return tuple(several)

    def _sum(self) -> Node:
        left = self._product()
        while sign := self._took("+", "-"):
            left = Arithmetic(left, sign, self._product())
        return left

    def _product(self) -> Node:
        left = self._signed()
        while sign := self._took("*", "/"):
            left = Arithmetic(left, sign, self._signed())
        return left

    def _signed(self) -> Node:
        sign = self._took("-", "+", "~")
        if not sign:
            return self._one()
        node = self._deeper(self._signed)
        if sign == "~":
            return Not(node)
        negative = Number(-node.value) if isinstance(node, Number) else Negative(node)
        return negative if sign == "-" else node

    def _one(self) -> Node:
        if self._took("("):
            node = self._deeper(self._either)
            self._want(")")
            return node
        if self.next.kind in ("number", "text") or self.next.word in ("true", "false"):
            return self._literal()
        if self.next.word in ("rated", "unrated"):
            return Rated(self._take().word == "rated")
        if self.next.kind == "quoted":
            return Name(self._take().text[1:-1].replace("``", "`"))
        if self.next.kind == "tag":
            return Tagged(self._take().text)
        if self.next.kind == "word" and not self.next.word:
            token = self._take()
            return self._asked(token) or Name(token.text)
        self._fail()

    def _literal(self) -> Number | Text | Truth:
        minus = self._took("-")
        if self.next.kind == "number":
            text = self._take().text
            value = int(text) if text.isdecimal() else float(text)
            return Number(-value if minus else value)
        if minus:
            self._fail("expected a number")
        if self.next.kind == "text":
            return Text(self._unquoted())
        if word := self._took("true", "false"):
            return Truth(word == "true")
        if self.next.text.lower() == "date":
            self._take()
            return self._date()
        self._fail("expected a number or text in quotes")

    def _unquoted(self) -> str:
        token = self._take()

        def meant(escaped: re.Match[str]) -> str:
            sign = escaped[1]
            if len(sign) == 5:
                return chr(int(sign[1:], 16))
            if sign not in _ESCAPED:
                self._fail(f"after a backslash expected another one or a quote, got {sign!r}")
            return _ESCAPED[sign]

        text = _ESCAPE.sub(meant, token.text[1:-1])
        if _HALF.search(text):
            self._fail("half a character is no text", token.start)
        return text

    # What only this language asks for

    def _asked(self, token: _Token) -> Node | None:
        """What is asked for by a word that was just taken; None where it is a name."""
        word, called = token.text.lower(), self.next.word == "("
        if word == "near":
            return self._near(token)
        if word == "tagged" and self.next.kind in ("tag", "text"):
            return Tagged(self._example())
        if word == "tagged" and called:
            (tag,) = self._arguments(1, 'tagged("#ring")', str)
            return Tagged(tag)
        if word == "within" and called:
            usage = "within(10.5, -3.2, 30), of ra and dec in degrees and a radius in arcsec"
            return Within(*self._arguments(3, usage, int, float))
        if word == "votes" and called:
            return Votes(*self._arguments(2, 'votes("bar", "yes")', str))
        return self._date() if word == "date" and called else None

    def _near(self, token: _Token) -> Node | None:
        start = self._past_space(token.end)
        if self.text.startswith("<image", start):
            self._fail()
        if self.next.kind in ("tag", "text"):
            return Near((self._example(),))
        if self._took("("):
            return self._near_all()
        found = ID.match(self.text, start) if start > token.end else None
        if found is None or found[0].lower() in ("and", "or", "not", "in"):
            return None
        self.next = self._token(found.end())
        return Near((found[0],))

    def _near_all(self) -> Near:
        usage = 'expected something like near("J1", "#ring", k=500, to="mean", apart=5)'
        examples: list[str] = []
        options: dict[str, int | float | str] = {}
        while not self._took(")"):
            if self.next.kind in ("tag", "text") and not options:
                examples.append(self._example())
            elif self.next.text in {"k", "to", "apart"} - set(options):
                name = self._take().text
                self._want("=")
                options[name] = self._literal().value
            else:
                self._fail(usage)
            if self.next.word != ")":
                self._want(",")
        return Near(tuple(examples), **options)  # type: ignore[arg-type]

    def _example(self) -> str:
        return self._take().text if self.next.kind == "tag" else self._unquoted()

    def _date(self) -> Text:
        (text,) = self._arguments(1, 'date("2020-01-31")', str)
        moment(text)
        return Text(text)

    def _arguments(self, n: int, usage: str, *kinds: type) -> list[Any]:
        """The values in the round brackets that follow."""
        start = self.next.start
        given = [one.value for one in self._list()]
        if len(given) != n or not all(type(value) in kinds for value in given):
            self._fail(f"expected something like {usage}", start)
        return given


def _short(text: str) -> str:
    return text if len(text) <= 30 else text[:30] + "…"
