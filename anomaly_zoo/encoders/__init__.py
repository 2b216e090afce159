"""Frozen encoders: images in, one vector an image out.

An encoder is any object with the few members of `Encoder`; it is passed as an object, and there is
nothing to register. `Zoonet` is the default; `Onnx` and `Timm` run the network that you trust;
`Pixels` is the baseline without any learning.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anomaly_zoo.encoders.onnx import Onnx
    from anomaly_zoo.encoders.pixels import Pixels
    from anomaly_zoo.encoders.protocol import Encoder, label
    from anomaly_zoo.encoders.timm import Timm
    from anomaly_zoo.encoders.zoonet import Zoonet

# Each public name and where it lives: loaded when it is first used, so that none costs the others.
_HOME = {
    "Encoder": "protocol",
    "Onnx": "onnx",
    "Pixels": "pixels",
    "Timm": "timm",
    "Zoonet": "zoonet",
    "label": "protocol",
}
_HUBS = ("hf_hub:", "hf-hub:", "local-dir:")

__all__ = ["Encoder", "Onnx", "Pixels", "Timm", "Zoonet", "chosen", "label", "named"]


def named(text: str) -> Encoder:
    """The encoder that a text names, as the command line does.

    ``zoonet`` and ``pixels`` stand for themselves, a path that ends in ``.onnx`` for that file,
    ``hf_hub:owner/model`` and ``timm:name`` for what `Timm` loads. Raises ValueError for any
    other text, and what the encoder raises that cannot be loaded.

    >>> named("pixels").d
    176
    >>> named("resnet")
    Traceback (most recent call last):
    ...
    ValueError: encoder: expected "zoonet", "pixels", a path to a .onnx file, "hf_hub:owner/model" \
or "timm:name", got 'resnet'
    """
    word = text.strip()
    if word == "zoonet":
        from anomaly_zoo.encoders.zoonet import Zoonet

        return Zoonet()
    if word == "pixels":
        from anomaly_zoo.encoders.pixels import Pixels

        return Pixels()
    if word.lower().endswith(".onnx"):
        from anomaly_zoo.encoders.onnx import Onnx

        return Onnx(word)
    if word.startswith((*_HUBS, "timm:")) and word.partition(":")[2]:
        from anomaly_zoo.encoders.timm import Timm

        return Timm(word.removeprefix("timm:"))
    raise ValueError(
        'encoder: expected "zoonet", "pixels", a path to a .onnx file, "hf_hub:owner/model" or '
        f'"timm:name", got {text!r}'
    )


def chosen(encoder: Encoder | str | None) -> Encoder:
    """The encoder itself, the one that a text names, or zoonet where none is given.

    Raises TypeError for what is no encoder, ValueError as `named` does.

    >>> chosen("pixels").name, chosen(None).name
    ('pixels', 'zoonet')
    """
    if encoder is None or isinstance(encoder, str):
        return named("zoonet" if encoder is None else encoder)
    members = ("name", "version", "size", "d", "prepare", "encode")
    missing = [name for name in members if not hasattr(encoder, name)]
    if missing or isinstance(encoder, type):
        lack = f"it has no {', '.join(missing)}" if missing else "write Pixels(), not Pixels"
        raise TypeError(
            f"expected an encoder such as az.encoders.Pixels(), got {encoder!r}: {lack}"
        )
    return encoder


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"anomaly_zoo.encoders.{_HOME[name]}"), name)
    raise AttributeError(f"module 'anomaly_zoo.encoders' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
