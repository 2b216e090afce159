"""Cutouts for the browser: asked for by id, read on worker threads, sent as encoded bytes."""

from __future__ import annotations

import io
import math
import threading
import time
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from PIL import Image

from anomaly_zoo.catalog import Catalog
from anomaly_zoo.cutouts import CutoutError

KEPT = 128 * 2**20
"""Bytes of pictures kept."""
LARGEST = 840
TURN = 0.03
"""Seconds between two messages with pictures."""


class Pictures:
    """Encoded cutouts of a catalogue at a given size, the last ones kept."""

    def __init__(self, catalog: Catalog | None) -> None:
        self._catalog = catalog
        self._kept: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, id_str: str, size: int) -> bytes:
        """The cutout as JPEG bytes, its longer side at most `size` pixels; CutoutError if none."""
        if self._catalog is None:
            raise CutoutError("no catalogue was given, so there are no images")
        key = (id_str, size)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        image = self._catalog.image(id_str)
        if max(image.size) > size:
            image = image.copy()
            image.thumbnail((size, size), Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=93, subsampling=0)
        picture = buffer.getvalue()
        with self._lock:
            self._bytes += len(picture) - len(self._kept.get(key, b""))
            self._kept[key] = picture
            while self._bytes > KEPT:
                self._bytes -= len(self._kept.popitem(last=False)[1])
        return picture


class PictureDesk:
    """Answers the browser's wish for pictures without holding up the kernel."""

    def __init__(self, pictures: Pictures) -> None:
        self._pictures = pictures
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="anomaly_zoo-pictures")
        self._asked = self._answered = 0
        self._lock = threading.Lock()

    @property
    def busy(self) -> bool:
        """Whether pictures that were asked for are not there yet."""
        return self._answered < self._asked

    def serve(self, widget: Any, content: dict[str, Any]) -> None:
        """Answer `{"kind": "need", "ids": [...], "size": 420}`: the first picture as soon as it is
        there, then those that are there in short turns, for a message takes the browser longer
        than a picture more in it."""
        size = max(16, min(int(content.get("size", LARGEST)), LARGEST))
        ids = [str(i) for i in content.get("ids", [])][:200]
        with self._lock:
            self._asked += len(ids)
        parcel = _Parcel(widget, len(ids))
        for id_str in ids:
            self._threads.submit(self._one, parcel, id_str, size)

    def _one(self, parcel: _Parcel, id_str: str, size: int) -> None:
        error, picture = "", b""
        try:
            picture = self._pictures.get(id_str, size)
        except CutoutError as refused:
            error = str(refused)
        except Exception as failed:  # the viewer says so, the loop goes on
            error = f"{type(failed).__name__}: {failed}"
        with self._lock:
            self._answered += 1
        parcel.put({"id": id_str, "error": error}, picture)

    def close(self) -> None:
        """Stop reading pictures."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class _Parcel:
    """The pictures that one message asked for, on their way to a widget."""

    def __init__(self, widget: Any, count: int) -> None:
        self._widget, self._left = widget, count
        self._ready: list[tuple[dict[str, str], bytes]] = []
        self._sent = -math.inf
        self._timer: threading.Timer | None = None
        self._lock = threading.Lock()

    def put(self, about: dict[str, str], picture: bytes) -> None:
        """Take one that is ready, and send all that are where it is time."""
        with self._lock:
            self._ready.append((about, picture))
            self._left -= 1
            pause = self._sent + TURN - time.monotonic()
            if self._left and pause > 0:
                if self._timer is None:
                    self._timer = threading.Timer(pause, self._send)
                    self._timer.daemon = True
                    self._timer.start()
                return
        self._send()

    def _send(self) -> None:
        with self._lock:
            ready, self._ready, self._timer = self._ready, [], None
            self._sent = time.monotonic()
        if ready:
            content = {"kind": "images", "pictures": [about for about, _ in ready]}
            self._widget.send(content, [picture for _, picture in ready])
