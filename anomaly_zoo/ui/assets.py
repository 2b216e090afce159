"""Where the browser's side of the widgets lies: in the package, or beside it in a checkout."""

from __future__ import annotations

from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent


@cache
def asset(*names: str) -> str:
    """The text of the named files of `widgets/`, one after the other.

    >>> "export default" in asset("images.js", "viewer.js")
    True
    """
    for folder in (_PACKAGE / "widgets", _PACKAGE.parent / "widgets"):
        if (folder / names[0]).is_file():
            return "\n".join((folder / name).read_text(encoding="utf-8") for name in names)
    raise FileNotFoundError(
        f"the widget file {names[0]} is missing from this installation; install anomaly_zoo again"
    )
