"""What a session is opened with, checked at once: each error says what to give instead."""

from __future__ import annotations

import getpass
from collections.abc import Iterable
from numbers import Integral
from typing import Any

import numpy as np

from anomaly_zoo.catalog import Catalog
from anomaly_zoo.choice import GOALS
from anomaly_zoo.encoders.protocol import label
from anomaly_zoo.representation import Representation


def login() -> str:
    """The name that a rater has on this computer."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "rater"


def check_settings(
    representation: object,
    catalog: object,
    seed: object,
    components: object,
    goal: object,
    acquisition: object,
) -> None:
    """Say at once what a Session cannot work with."""
    if not isinstance(representation, Representation):
        raise TypeError(
            f"expected an az.Representation first, got {type(representation).__name__}; "
            "az.Representation.read(path) reads one, az.Representation(ids, X) makes one"
        )
    if catalog is not None and not isinstance(catalog, Catalog):
        raise TypeError(
            f"expected an az.Catalog, got {type(catalog).__name__}; "
            "az.Catalog.read(path) reads one, az.Catalog(frame) makes one"
        )
    if not isinstance(seed, Integral) or seed < 0:
        raise ValueError(f"seed is a whole number, 0 or more, got {seed!r}")
    if not isinstance(components, Integral) or components < 1:
        raise ValueError(f"components is a whole number, 1 or more, got {components!r}")
    if goal not in GOALS:
        raise ValueError(f"goal is 'many' or 'best', got {goal!r}")
    if not callable(acquisition):
        raise TypeError(
            f"acquisition is a function, such as az.acquisition.greedy, got {acquisition!r}"
        )


def check_audit(audit: object) -> float:
    """The share of looks that are random checks, or a ValueError."""
    if not isinstance(audit, int | float) or not 0 <= audit <= 0.5:
        raise ValueError(
            f"audit is the share of looks that check the top 50 at random, 0 to 0.5, got {audit!r}"
        )
    return float(audit)


def check_examples(ids: object, representation: Representation) -> np.ndarray:
    """The rows of the examples to start with."""
    if isinstance(ids, (str, bytes)) or not isinstance(ids, Iterable):
        raise TypeError(f"start_like is a list of ids such as ['J1234'], got {ids!r}")
    return np.array(list(dict.fromkeys(representation.row(i) for i in ids)), dtype=int)


def check_encoder(encoder: object, representation: Representation) -> None:
    """Refuse an encoder whose vectors do not lie among those of the representation."""
    if isinstance(encoder, type) or not all(hasattr(encoder, n) for n in ("name", "version", "d")):
        raise TypeError(f"expected an encoder such as az.encoders.Pixels(), got {encoder!r}")
    given: Any = encoder
    mine, theirs = label(given), representation.encoder
    if mine == theirs and given.d == representation.d:
        return
    if not theirs:
        raise ValueError(
            f"the features do not say which encoder made them, so {mine!r} may be another; if you "
            f"know that it did: az.Representation(ids, X, encoder={mine!r})"
        )
    if mine == theirs:
        raise ValueError(
            f"the encoder {mine!r} gives {given.d} features an image, the representation has "
            f"{representation.d}; give the features as they came from the encoder"
        )
    same = " version of the" if given.name == theirs.split(" ")[0] else ""
    raise ValueError(
        f"the features were made with {theirs!r}, the encoder given is {mine!r}, another{same} "
        "encoder; embed the images anew with it (az.embed(catalog, encoder)), or leave encoder= out"
    )


def aligned(catalog: Catalog, representation: Representation) -> Catalog:
    """The catalogue in the order of the representation, or a ValueError where they differ."""
    features, objects = representation.ids, catalog.ids
    shared = len(objects.known(features))
    if shared == len(features) == len(objects):
        return catalog.only(features)
    problems = [
        f"{len(ids):,} {'object has' if len(ids) == 1 else 'objects have'} {where} "
        f"({', '.join(repr(i) for i in sorted(ids)[:3])})"
        for ids, where in (
            (features.without(objects), "features but no row in the catalogue"),
            (objects.without(features), "a row in the catalogue but no features"),
        )
        if len(ids)
    ]
    todo = (
        "not one id is in both: are they written alike?"
        if not shared
        else "keep those in both: "
        "features = features.only(catalog.ids); catalog = catalog.only(features.ids)"
    )
    raise ValueError(
        f"{'; '.join(problems)}. The representation has {len(features):,} objects, the catalogue "
        f"{len(objects):,}; {todo}"
    )
