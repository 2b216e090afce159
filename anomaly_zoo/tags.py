"""Tags: free words such as #ring that raters give to objects."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping

LONGEST = 50
"""Characters of a tag, its # among them."""


def tag_of(text: object) -> str:
    """The tag that a text means, in the one way it is written: "#Ring" and "#ring" are the same.

    Raises ValueError for what is no tag: # and then letters (of any script), digits, - and _.

    >>> tag_of(" #Einstein-Ring ")
    '#einstein-ring'
    >>> tag_of("#two words")
    Traceback (most recent call last):
    ...
    ValueError: a tag is # and then letters, digits, - or _, such as #ring, got '#two words'
    """
    tag = text.strip() if isinstance(text, str) else ""
    for _ in range(2):  # as one folds, what the other has joined may come apart
        tag = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", tag).casefold())
    if len(tag) > LONGEST:
        raise ValueError(f"a tag has at most {LONGEST} characters, got {len(tag)}: {tag[:40]!r}…")
    letters = all(sign in "-_" or unicodedata.category(sign)[0] in "LMN" for sign in tag[1:])
    if tag[:1] != "#" or len(tag) < 2 or not letters:
        raise ValueError(
            f"a tag is # and then letters, digits, - or _, such as #ring, got {text!r}"
        )
    return tag


def is_tag(text: str) -> bool:
    """Whether a text is a tag, as `tag_of` writes it.

    >>> is_tag("#ring"), is_tag("#Ring"), is_tag("ring")
    (True, False, False)
    """
    try:
        return tag_of(text) == text
    except ValueError:
        return False


def tagged(acts: Iterable[tuple[str, str, str, bool]]) -> dict[str, tuple[str, ...]]:
    """Who carries which tag after some acts (rater, id_str, tag, given or taken off), in order.

    An object carries a tag while any rater's last word on it is that it does. Tags, and the ids
    of each, are in the order in which they were first given.

    >>> tagged([("eve", "J2", "#ring", True), ("bob", "J1", "#ring", True),
    ...         ("eve", "J1", "#ring", False), ("eve", "J2", "#ring", False)])
    {'#ring': ('J1',)}
    """
    last: dict[tuple[str, str], dict[str, bool]] = {}
    for rater, id_str, tag, given in acts:
        last.setdefault((tag, id_str), {})[rater] = given
    carried: dict[str, list[str]] = {}
    for (tag, id_str), by_rater in last.items():
        if any(by_rater.values()):
            carried.setdefault(tag, []).append(id_str)
    return {tag: tuple(ids) for tag, ids in carried.items()}


def tags_by_id(tags: Mapping[str, tuple[str, ...]]) -> dict[str, list[str]]:
    """The tags of each id, in the order of the tags.

    >>> tags_by_id({"#ring": ("J1", "J2"), "#blue": ("J2",)})
    {'J1': ['#ring'], 'J2': ['#ring', '#blue']}
    """
    carried: dict[str, list[str]] = {}
    for tag, ids in tags.items():
        for id_str in ids:
            carried.setdefault(id_str, []).append(tag)
    return carried
