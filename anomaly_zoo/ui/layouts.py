"""Where objects stand on the map: by looks, on the sky, by pixels, columns, or as you say."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from anomaly_zoo.catalog import Catalog
from anomaly_zoo.projection import pca_map
from anomaly_zoo.representation import Representation
from anomaly_zoo.sky import Projection, sky_map
from anomaly_zoo.ui.colours import numbers

__all__ = ["by_columns", "choices", "coordinates", "layout_xy", "numeric_columns"]

SKY: dict[str, Projection] = {"sky": "plate carree", "aitoff": "aitoff"}
"""The choices that are maps of the sky, with their projections."""
_GIVEN = "given:"
_LOOK = 1000


def choices(catalog: Catalog | None, given: Mapping[str, np.ndarray] | None = None) -> dict:
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


def coordinates(given: Mapping[str, object] | None, n: int) -> dict[str, np.ndarray]:
    """Coordinates of your own, name to (n, 2) numbers in the order of the representation, checked.

    Raises TypeError for no mapping of names, ValueError for another shape or no numbers.

    >>> coordinates({"t-SNE": [[0, 1], [2, 3]]}, 2)["t-SNE"].dtype
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


def layout_xy(
    choice: str,
    space: Representation | np.ndarray,
    catalog: Catalog | None = None,
    given: Mapping[str, np.ndarray] | None = None,
) -> np.ndarray:
    """Positions (n, 2) float32 of all objects by a choice: one of `choices` or of `by_columns`.

    space : the (n, d) objects, for "pca". catalog : in the same order. given : coordinates of your
    own by name; "umap" is looked up there too, since it takes a while. NaN, in both coordinates,
    where an object has no position by this choice.

    Raises ValueError for a choice that there is not, with what there is instead, and where no
    object would have a position.

    >>> catalog = Catalog({"id_str": ["J1", "J2"], "z": [0.1, None], "mag": [17, 18]})
    >>> layout_xy("x:mag,y:z", np.eye(2), catalog).round(1).tolist()
    [[17.0, 0.10000000149011612], [nan, nan]]
    """
    given, known = given or {}, choices(catalog, given)
    if choice == "umap" and "umap" not in given:
        raise ValueError("the UMAP is not there yet; choose another layout meanwhile, or wait")
    if choice == "umap":
        return _pairs("umap", given["umap"], len(space))
    if choice == "pca":
        return pca_map(space)
    if choice.startswith("x:"):
        x, y = _two(choice, catalog)
    elif choice == "pixels" and choice in known:
        x, y = "x", "y"
    elif choice not in known:
        raise ValueError(f"there is no layout {choice!r}; there are {', '.join(known)}")
    elif choice in SKY:
        assert catalog is not None
        table = catalog.table
        xy = sky_map(table["ra"].to_numpy(), table["dec"].to_numpy(), SKY[choice])
        return _placed(xy, "ra and dec")
    else:
        name = choice.removeprefix(_GIVEN)
        return _pairs(name, given[name], len(space))
    assert catalog is not None
    xy = np.empty((len(catalog), 2), dtype=np.float32)
    for axis, name in enumerate((x, y)):
        xy[:, axis] = _axis(catalog, name)
    return _placed(xy, f"{x} and {y}")


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


def _axis(catalog: Catalog, name: str) -> np.ndarray:
    values = numbers(catalog.table[name])
    if values is None:
        first = catalog.table[name].dropna().iloc[0]
        shown = repr(first) if isinstance(first, str) else f"a {type(first).__name__}"
        if isinstance(first, bool | np.bool_):
            shown = "True or False"
        raise ValueError(
            f"an axis of the map is a column of numbers or dates; {name!r} holds {shown[:60]}"
        )
    with np.errstate(over="ignore"):
        return np.asarray(values).astype(np.float32)


def _pairs(name: str, xy: object, n: int) -> np.ndarray:
    try:
        array = np.asarray(xy)
        with np.errstate(over="ignore"):
            array = array.astype(np.float32)
    except (TypeError, ValueError):
        raise ValueError(f"the coordinates {name!r} are no numbers; expected ({n:,}, 2)") from None
    if array.shape != (n, 2):
        raise ValueError(
            f"the coordinates {name!r} have the shape {array.shape}; expected ({n}, 2), one pair "
            "an object in the order of the representation"
        )
    return _placed(array, f"the coordinates {name!r}")


def _placed(xy: np.ndarray, what: str) -> np.ndarray:
    """Positions with NaN in both coordinates where either is not finite."""
    lost = ~np.isfinite(xy).all(axis=1)
    if lost.all():
        raise ValueError(f"no object has a position by {what}: all values are missing or infinite")
    if lost.any():
        xy[lost] = np.nan
    return xy
