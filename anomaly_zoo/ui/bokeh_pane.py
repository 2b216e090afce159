"""A live Bokeh document as a widget, twin of widgets/bokeh_pane.js.

BokehJS travels over the comm once a page, so nothing is fetched from outside; documents and patches
use Bokeh's own protocol with binary buffers, and a page that is reloaded pulls the present state.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import anywidget
import bokeh
import traitlets as t
from bokeh.core.serialization import Buffer, Serialized
from bokeh.document import Document
from bokeh.document.events import DocumentPatchedEvent
from bokeh.models import UIElement
from bokeh.protocol import Protocol
from bokeh.protocol.messages.pull_doc_reply import pull_doc_reply


@cache
def _bokehjs() -> bytes:
    return (Path(bokeh.__file__).parent / "server/static/js/bokeh.min.js").read_bytes()


class BokehPane(anywidget.AnyWidget):
    """Shows one Bokeh model; changes on either side reach the other.

    `soon(function, *args)` has the thread that owns the model call the function. The module of a
    subclass shows it by `bokehPane` of widgets/bokeh_pane.js.
    """

    bokeh_version = t.Unicode(bokeh.__version__).tag(sync=True)
    size = t.List(t.Float(), [800.0, 450.0, 1.0]).tag(sync=True)
    """Width, height and device pixels a CSS pixel, set by the browser."""

    def __init__(self, root: UIElement, soon: Callable[..., None]) -> None:
        self._document = Document()
        self._document.add_root(root)
        super().__init__()
        self._document.on_change_dispatch_to(self)
        self.on_msg(lambda _, content, buffers: soon(self._receive, content, buffers))

    def _document_patched(self, event: DocumentPatchedEvent) -> None:
        if event.setter is self:
            return
        message = Protocol().create("PATCH-DOC", [event])
        content = {
            "kind": "patch",
            "json": message.content_json,
            "ids": [b.id for b in message.buffers],
        }
        self.send(content, [b.to_bytes() for b in message.buffers])

    def _receive(self, content: dict[str, Any], buffers: list[memoryview]) -> None:
        match content.get("kind"):
            case "need-bokehjs":
                self.send({"kind": "bokehjs"}, [_bokehjs()])
            case "pull":
                reply = pull_doc_reply.create("0", self._document)
                document = json.dumps(json.loads(reply.content_json)["doc"])
                ids = [b.id for b in reply.buffers]
                answer = {"kind": "document", "view": content["view"], "json": document, "ids": ids}
                self.send(answer, [b.to_bytes() for b in reply.buffers])
            case "patch":
                sent = [Buffer(id=f"b{i}", data=bytes(b)) for i, b in enumerate(buffers)]
                patch = Serialized(content=json.loads(content["json"]), buffers=sent)
                self._document.apply_json_patch(patch, setter=self)
