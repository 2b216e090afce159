"""A selection: some objects, with the words that asked for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from anomaly_zoo.expression import And, Node, Not, Or, savable
from anomaly_zoo.ids import Ids

__all__ = ["Selection"]


@dataclass(frozen=True, eq=False, repr=False)
class Selection:
    """Objects of a session that match a search, in the order to show them.

    tree : the search; `words` says it. rows : (m,) int64, nearest first where it asks for what is
    near something, else most interesting first. distances : (m,) float64, to the examples of the
    first `near`, in units of the representation; None without one. among : the ids of all objects.
    again : makes the selection of a tree; two selections are joined by it.

    `a & b` holds what matches both searches, `a | b` what matches either, `~a` what does not match:
    the searches are joined and asked anew. So `near & cut` are the nearest of those within the cut,
    as `near #ring AND redshift < 0.1` says, not those within the cut of the nearest of all.

    Raises ValueError where rows and distances are not alike.

    >>> from anomaly_zoo.expression import Tagged
    >>> found = Selection(Tagged("#ring"), np.array([2, 0]), None, Ids.of(["J1", "J2", "J3"]))
    >>> found
    <Selection: 2 of 3 objects, tagged #ring>
    >>> list(found), "J2" in found, found.mask
    (['J3', 'J1'], False, array([ True, False,  True]))
    """

    tree: Node
    rows: np.ndarray
    distances: np.ndarray | None
    among: Ids
    again: Callable[[Node], Selection] | None = field(default=None)

    def __post_init__(self) -> None:
        rows = np.array(self.rows, dtype=np.int64)
        rows.flags.writeable = False
        object.__setattr__(self, "rows", rows)
        if self.distances is None:
            return
        distances = np.array(self.distances, dtype=np.float64)
        if distances.shape != rows.shape:
            raise ValueError(f"expected {len(rows):,} distances, got the shape {distances.shape}")
        distances.flags.writeable = False
        object.__setattr__(self, "distances", distances)

    @property
    def words(self) -> str:
        """The search in words."""
        return str(self.tree)

    @property
    def savable(self) -> bool:
        """Whether the words say all of it: not with an image or a lasso, which are no words."""
        return savable(self.tree)

    @cached_property
    def ids(self) -> list[str]:
        """The ids (m,) in their order, as a list of `str`."""
        return self.among[self.rows].tolist()

    @cached_property
    def mask(self) -> np.ndarray:
        """(n,) True for the objects of the selection."""
        mask = np.zeros(len(self.among), dtype=bool)
        mask[self.rows] = True
        mask.flags.writeable = False
        return mask

    def __len__(self) -> int:
        """Return how many objects it holds; one without any is False."""
        return len(self.rows)

    def __iter__(self) -> Iterator[str]:
        """Return the ids one by one."""
        return iter(self.ids)

    def __contains__(self, id: object) -> bool:
        """Return whether an object is in it."""
        return isinstance(id, str) and bool(self.mask[self.among.known([id])].any())

    def __repr__(self) -> str:
        """Return how many there are, and the words."""
        shown = self.words if len(self.words) <= 80 else self.words[:80] + "…"
        objects = "object" if len(self.among) == 1 else "objects"
        return f"<Selection: {len(self):,} of {len(self.among):,} {objects}, {shown}>"

    def __and__(self, other: object) -> Selection:
        """Return what matches both."""
        return self._joined(And, other)

    def __or__(self, other: object) -> Selection:
        """Return what matches either."""
        return self._joined(Or, other)

    def __invert__(self) -> Selection:
        """Return what does not match."""
        return self._anew(self.tree.part if isinstance(self.tree, Not) else Not(self.tree))

    def _joined(self, join: type[And] | type[Or], other: object) -> Selection:
        if not isinstance(other, Selection):
            return NotImplemented
        if self.among is not other.among:
            raise ValueError("the two selections are of different sessions; join those of one")
        return self._anew(join((self.tree, other.tree)))

    def _anew(self, tree: Node) -> Selection:
        if self.again is None:
            raise ValueError("this selection does not know its session, which could search anew")
        return self.again(tree)
