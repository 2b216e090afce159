"""Find your rare galaxies: rate a few, and a Gaussian process ranks all the others.

>>> import anomaly_zoo as az
>>> az.__version__.count(".")
2
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from anomaly_zoo import acquisition, encoders, examples
    from anomaly_zoo.catalog import Catalog
    from anomaly_zoo.cutouts import CutoutError, Cutouts
    from anomaly_zoo.embedding import embed
    from anomaly_zoo.interest import InterestModel
    from anomaly_zoo.posterior import Posterior
    from anomaly_zoo.progress import Progress
    from anomaly_zoo.ratings import RatingLog, RatingNotSaved
    from anomaly_zoo.replay import autopilot
    from anomaly_zoo.representation import Representation
    from anomaly_zoo.session import Session, State
    from anomaly_zoo.ui.explorer import explore

# Each public name and where it lives: loaded when it is first used, so that the import is quick.
_HOME = {
    "Catalog": "catalog",
    "CutoutError": "cutouts",
    "Cutouts": "cutouts",
    "InterestModel": "interest",
    "Posterior": "posterior",
    "Progress": "progress",
    "RatingLog": "ratings",
    "RatingNotSaved": "ratings",
    "Representation": "representation",
    "Session": "session",
    "State": "session",
    "autopilot": "replay",
    "embed": "embedding",
    "explore": "ui.explorer",
}
_MODULES = ("acquisition", "encoders", "examples")

__all__ = [
    "Catalog",
    "CutoutError",
    "Cutouts",
    "InterestModel",
    "Posterior",
    "Progress",
    "RatingLog",
    "RatingNotSaved",
    "Representation",
    "Session",
    "State",
    "__version__",
    "acquisition",
    "autopilot",
    "embed",
    "encoders",
    "examples",
    "explore",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"anomaly_zoo.{name}")
    if name in _HOME:
        return getattr(import_module(f"anomaly_zoo.{_HOME[name]}"), name)
    raise AttributeError(f"module 'anomaly_zoo' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
