"""Pictures for the browser: the first at once, the others together, and what cannot be shown."""

from __future__ import annotations

import io
import threading
import time
from typing import Any

import numpy as np
from PIL import Image
from waiting import until

import anomaly_zoo as az
from anomaly_zoo.ui.pictures import PictureDesk, Pictures

N = 60


class Widget:
    """Hears what is sent to a widget."""

    def __init__(self) -> None:
        self.heard: list[tuple[float, list[dict[str, str]], list[bytes]]] = []

    def send(self, content: dict[str, Any], buffers: list[bytes]) -> None:
        assert content["kind"] == "images" and len(content["pictures"]) == len(buffers)
        self.heard.append((time.monotonic(), content["pictures"], buffers))

    @property
    def pictures(self) -> dict[str, tuple[str, bytes]]:
        return {
            said["id"]: (said["error"], data)
            for _, pictures, buffers in self.heard
            for said, data in zip(pictures, buffers, strict=True)
        }


def desk(image: Any) -> PictureDesk:
    catalog = az.Catalog({"id_str": [f"J{i}" for i in range(N)]}, cutouts=image)
    return PictureDesk(Pictures(catalog))


def grey(row: dict[str, Any]) -> np.ndarray:
    return np.full((20, 20), int(row["id_str"][1:]), dtype=np.uint8)


def test_every_picture_comes_in_a_few_messages() -> None:
    made, widget = desk(grey), Widget()
    ids = [f"J{i}" for i in range(N)]
    made.serve(widget, {"ids": [*ids, "J999"], "size": 64})
    until(lambda: len(widget.pictures) == N + 1)
    assert len(widget.heard[0][1]) == 1, "the first does not wait"
    assert len(widget.heard) < N / 2
    assert not made.busy
    for i, id_str in enumerate(ids):
        error, data = widget.pictures[id_str]
        with Image.open(io.BytesIO(data)) as picture:
            assert error == "" and abs(int(np.asarray(picture)[10, 10].mean()) - i) <= 2
    error, data = widget.pictures["J999"]
    assert "J999" in error and data == b""
    made.close()


def test_those_that_are_there_do_not_wait_for_a_slow_one() -> None:
    slow = threading.Event()

    def image(row: dict[str, Any]) -> np.ndarray:
        if row["id_str"] == "J3":
            slow.wait(30)
        return grey(row)

    made, widget = desk(image), Widget()
    made.serve(widget, {"ids": [f"J{i}" for i in range(10)], "size": 64})
    until(lambda: len(widget.pictures) == 9, 5)
    assert made.busy
    slow.set()
    until(lambda: "J3" in widget.pictures and not made.busy)
    made.close()
