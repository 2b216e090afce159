"""Tests and doctests keep to a cache folder of their own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Nothing is read from or written to the user's own cache."""
    folder = tmp_path_factory.mktemp("cache")
    before = os.environ.get("ANOMALY_ZOO_CACHE")
    os.environ["ANOMALY_ZOO_CACHE"] = str(folder)
    yield folder
    if before is None:
        del os.environ["ANOMALY_ZOO_CACHE"]
    else:
        os.environ["ANOMALY_ZOO_CACHE"] = before
