"""Cutouts for the browser: asked for by id, read on worker threads, sent as encoded bytes."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from PIL import Image

from anomaly_zoo.catalog import Catalog
from anomaly_zoo.cutouts import CutoutError

KEPT = 128 * 2**20
"""Bytes of pictures kept."""
LARGEST = 840


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

    def serve(self, widget: Any, content: dict[str, Any]) -> None:
        """Answer `{"kind": "need", "ids": [...], "size": 420}` one picture at a time."""
        size = max(16, min(int(content.get("size", LARGEST)), LARGEST))
        for id_str in [str(i) for i in content.get("ids", [])][:200]:
            self._threads.submit(self._one, widget, id_str, size)

    def _one(self, widget: Any, id_str: str, size: int) -> None:
        message: dict[str, Any] = {"kind": "image", "id": id_str}
        buffers: list[bytes] = []
        try:
            buffers = [self._pictures.get(id_str, size)]
        except CutoutError as error:
            message["error"] = str(error)
        except Exception as error:  # the viewer says so, the loop goes on
            message["error"] = f"{type(error).__name__}: {error}"
        widget.send(message, buffers)

    def close(self) -> None:
        """Stop reading pictures."""
        self._threads.shutdown(wait=False, cancel_futures=True)
