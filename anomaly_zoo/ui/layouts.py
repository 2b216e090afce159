"""Where objects stand on the map: by looks, on the sky, by pixels, columns, or as you say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from anomaly_zoo.catalog import Catalog
from anomaly_zoo.columns import Column
from anomaly_zoo.projection import pca_map
from anomaly_zoo.representation import Representation
from anomaly_zoo.sky import Projection, sky_centre, sky_map
from anomaly_zoo.ui.colours import numbers
from anomaly_zoo.ui.grids import Axis, ColumnGrid, Grid, SkyGrid
from anomaly_zoo.ui.scale import narrow

__all__ = ["Layout", "by_columns", "choices", "coordinates", "layout", "numeric_columns"]

SKY: dict[str, Projection] = {"sky": "plate carree", "aitoff": "aitoff"}
"""The choices that are maps of the sky, with their projections."""
_GIVEN = "given:"
_LOOK = 1000


@dataclass(frozen=True, eq=False)
class Layout:
    """Positions (n, 2) float32, NaN where an object has none, and what they lie on, if anything."""

    xy: np.ndarray
    grid: Grid | None = None


def choices(catalog: Catalog | None, given: Mapping[str, object] | None = None) -> dict:
    """The layouts there are, with the words for them; two columns come beside, by `by_columns`.

    >>> list(choices(Catalog({"id_str": ["J1"], "ra": [10.0], "dec": [0.0]})))
    ['umap', 'pca', 'sky', 'aitoff']
    """
    said = {"umap": "UMAP", "pca": "PCA"}
    names = set() if catalog is None else set(catalog.table.columns)
    if {"ra", "dec"} <= names:
        said |= {"sky": "Sky, plate carrée", "aitoff": "Sky, Aitoff"}
    if {"x", "y"} <= names:
        said |= {"pixels": "Pixels x, y"}
    return said | {f"{_GIVEN}{name}": name for name in given or {}}


def by_columns(x: str, y: str) -> str:
    """The choice of two columns.

    >>> by_columns("redshift", "mag")
    'x:redshift,y:mag'
    """
    return f"x:{x},y:{y}"


def numeric_columns(catalog: Catalog) -> tuple[str, ...]:
    """The names of the columns that can be an axis: numbers and dates."""
    table = catalog.table
    return tuple(n for n in table.columns if numbers(table[n].iloc[:_LOOK]) is not None)


def coordinates(given: Mapping[str, object] | None, n: int) -> dict[str, Layout]:
    """Coordinates of your own, name to (n, 2) numbers in the order of the representation, checked.

    Raises TypeError for no mapping of names, ValueError for another shape or no numbers.

    >>> coordinates({"t-SNE": [[0, 1], [2, 3]]}, 2)["t-SNE"].xy.dtype
    dtype('float32')
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
        raise TypeError(
            "expected coordinates as a dict of names, such as {'t-SNE': xy} with xy (n, 2), got "
            f"{type(given).__name__}"
        )
    return {name: _pairs(name, xy, n) for name, xy in given.items()}


def layout(
    choice: str,
    space: Representation | np.ndarray,
    catalog: Catalog | None = None,
    given: Mapping[str, Layout] | None = None,
) -> Layout:
    """Where all objects stand by a choice: one of `choices` or of `by_columns`.

    space : the (n, d) objects, for "pca". catalog : in the same order. given : `coordinates` of
    your own; "umap" is looked up there too, since it takes a while. NaN, in both coordinates,
    where an object has no position by this choice.

    Raises ValueError for a choice that there is not, with what there is instead, and where no
    object would have a position.

    >>> catalog = Catalog({"id_str": ["J1", "J2"], "z": [0.1, None], "mag": [17, 18]})
    >>> layout("x:mag,y:z", np.eye(2), catalog).xy.round(1).tolist()
    [[17.0, 0.10000000149011612], [nan, nan]]
    """
    given, known = given or {}, choices(catalog, given)
    if choice == "umap" and "umap" not in given:
        raise ValueError("the UMAP is not there yet; choose another layout meanwhile, or wait")
    if choice == "umap":
        return given["umap"]
    if choice == "pca":
        return Layout(pca_map(space))
    if choice.startswith("x:"):
        x, y = _two(choice, catalog)
    elif choice == "pixels" and choice in known:
        x, y = "x", "y"
    elif choice not in known:
        raise ValueError(f"there is no layout {choice!r}; there are {', '.join(known)}")
    elif choice in SKY:
        assert catalog is not None
        table = catalog.table
        ra, dec = table["ra"].to_numpy(), table["dec"].to_numpy()
        centre = sky_centre(ra)
        xy = sky_map(ra, dec, SKY[choice], centre)
        return Layout(_placed(xy, "ra and dec"), SkyGrid(SKY[choice], centre))
    else:
        return given[choice.removeprefix(_GIVEN)]
    assert catalog is not None
    xy = np.empty((len(catalog), 2), dtype=np.float32)
    (xy[:, 0], in_x), (xy[:, 1], in_y) = (narrow(_values(catalog, name)) for name in (x, y))
    axes = Axis(x, in_x, _dated(catalog, x)), Axis(y, in_y, _dated(catalog, y))
    return Layout(_placed(xy, f"{x} and {y}"), ColumnGrid(*axes))


def _two(choice: str, catalog: Catalog | None) -> tuple[str, str]:
    """The names in "x:name,y:name", which may hold commas and colons themselves."""
    if catalog is None:
        raise ValueError("there is no catalogue, so there are no columns to lay out by")
    parts = choice[2:].split(",y:")
    pairs = [(",y:".join(parts[:k]), ",y:".join(parts[k:])) for k in range(1, len(parts))]
    names = set(catalog.table.columns)
    for pair in pairs:
        if set(pair) <= names:
            return pair
    if not pairs:
        raise ValueError(f"expected a layout like 'x:redshift,y:mag', got {choice!r}")
    missing = next(name for name in pairs[0] if name not in names)
    shown = ", ".join(numeric_columns(catalog)[:20]) or "none"
    raise ValueError(f"the catalogue has no column {missing!r}; its columns of numbers are {shown}")


def _values(catalog: Catalog, name: str) -> np.ndarray:
    values = numbers(catalog.table[name])
    if values is None:
        first = catalog.table[name].dropna().iloc[0]
        shown = repr(first) if isinstance(first, str) else f"a {type(first).__name__}"
        if isinstance(first, bool | np.bool_):
            shown = "True or False"
        raise ValueError(
            f"an axis of the map is a column of numbers or dates; {name!r} holds {shown[:60]}"
        )
    return np.asarray(values)


def _dated(catalog: Catalog, name: str) -> bool:
    return Column.of(catalog.table[name], name).kind == "date"


def _pairs(name: str, xy: object, n: int) -> Layout:
    try:
        array = np.asarray(xy)
        if array.dtype.kind not in "iuf":
            array = array.astype(np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"the coordinates {name!r} are no numbers; expected ({n:,}, 2)") from None
    if array.shape != (n, 2):
        raise ValueError(
            f"the coordinates {name!r} have the shape {array.shape}; expected ({n}, 2), one pair "
            "an object in the order of the representation"
        )
    (x, in_x), (y, in_y) = narrow(array[:, 0]), narrow(array[:, 1])
    own = ColumnGrid(Axis("x", in_x), Axis("y", in_y), ruled=False)
    return Layout(_placed(np.column_stack([x, y]), f"the coordinates {name!r}"), own)


def _placed(xy: np.ndarray, what: str) -> np.ndarray:
    """Positions with NaN in both coordinates where either is not finite."""
    lost = ~np.isfinite(xy).all(axis=1)
    if lost.all():
        raise ValueError(f"no object has a position by {what}: all values are missing or infinite")
    if lost.any():
        xy[lost] = np.nan
    return xy
