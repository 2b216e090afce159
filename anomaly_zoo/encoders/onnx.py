"""Any image network in an ONNX file as an encoder."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, cast, get_args

import numpy as np

from anomaly_zoo.encoders.images import (
    MIN_SIDE,
    RESAMPLES,
    Resample,
    checked,
    finite,
    picture,
    prepared,
)
from anomaly_zoo.encoders.images import unit as to_unit
from anomaly_zoo.encoders.settings import numbers, one_line, one_of, one_word
from anomaly_zoo.threads import cores

Layout = Literal["nchw", "nhwc"]
Channels = Literal["rgb", "bgr", "grey"]
Numbers = float | Sequence[float]

REVISION = 1  # raise it when the code changes what comes out
CHUNK = 8_000_000  # pixel values given to the network at once
KEYS = ("size", "layout", "channels", "scale", "mean", "std", "resample", "output")
INPUTS = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
}


class Onnx:
    """An encoder that runs the network of an ONNX file on the processor, by onnxruntime.

    ``path`` is one file, weights included, whose network takes one batch of images, grey or RGB,
    of rank 4, and gives one vector an image. What the network wants to see is said by arguments,
    or in a small JSON file beside it with the same keys, ``model.json`` for ``model.onnx``
    (arguments win):

    - ``size``: side in pixels; read from the network where it is fixed there;
    - ``layout``: "nchw" or "nhwc"; read from the network where its shape can be one alone;
    - ``channels``: "rgb" (the default for three channels), "bgr", or "grey" (the only one for one
      channel: red, green and blue are averaged);
    - ``scale``, ``mean``, ``std``: pixels from 0 to 1 are multiplied by ``scale`` (1), then
      ``mean`` (0) is subtracted and the rest divided by ``std`` (1); one number or one a channel,
      in the order of ``channels``. A network with uint8 input sees 0 to 255 as they are;
    - ``resample``: "bilinear" (the default), "bicubic", "lanczos", "box", "hamming", "nearest";
    - ``output``: which output to take, where there are several.

    An output of rank 2, (b, d), is taken as it is; a map, (b, d, h, w), or (b, h, w, d) for
    "nhwc", is averaged over its pixels; tokens (b, n, d) are averaged over all n. ``name`` is what
    the features will be called after, the file's name unless said.

    Raises ImportError without onnxruntime, FileNotFoundError without the file, ValueError for a
    network, a side file or arguments that cannot be used or contradict each other.

        Onnx("zoobot.onnx", size=224, mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])

    >>> Onnx("missing.onnx")
    Traceback (most recent call last):
    ...
    FileNotFoundError: there is no file missing.onnx
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        size: int | None = None,
        layout: Layout | None = None,
        channels: Channels | None = None,
        scale: float | None = None,
        mean: Numbers | None = None,
        std: Numbers | None = None,
        resample: Resample | None = None,
        output: str | None = None,
        name: str | None = None,
    ) -> None:
        self.path = Path(path).expanduser()
        if not self.path.is_file():
            raise FileNotFoundError(f"there is no file {self.path}")
        said = _side_file(self.path.with_suffix(".json"))
        given = (size, layout, channels, scale, mean, std, resample, output)
        said |= {key: value for key, value in zip(KEYS, given, strict=True) if value is not None}
        self.name = one_word(self.path.stem if name is None else name)

        content = self.path.read_bytes()
        self._session = _session(content, self.path.name)
        self._input, shape, kind = _only_input(self._session, self.path.name)
        self._dtype = INPUTS[kind]
        self._batch = shape[0] if isinstance(shape[0], int) else None
        self.layout, count, found = _form(shape, said.get("layout"), self.path.name)
        self.size = _size(found, said.get("size"), self.path.name)
        self.channels = _channels(count, said.get("channels"), self.path.name)
        self.resample = one_of("resample", said.get("resample", "bilinear"), RESAMPLES)
        if self._dtype == np.uint8 and said.keys() & {"scale", "mean", "std"}:
            raise ValueError(
                f"{self.path.name} takes uint8 pixels as they are: leave out scale, mean and std"
            )
        bands = 1 if self.channels == "grey" else 3
        self.scale = numbers("scale", said.get("scale", 1.0), 1)[0]
        self.mean = numbers("mean", said.get("mean", 0.0), bands)
        self.std = numbers("std", said.get("std", 1.0), bands)
        if min(self.std) <= 0 or self.scale <= 0:
            raise ValueError(f"scale and std must be above 0, got {self.scale} and {self.std}")
        self._output = _chosen_output(self._session, said.get("output"), self.path.name)

        self.d = self._probed()
        seen = (self.size, self.layout, self.channels, self.scale, self.mean, self.std)
        settings = (REVISION, seen, self.resample, self._output)
        digest = hashlib.blake2b(repr(settings).encode(), digest_size=4)
        digest.update(content)
        self.version = digest.hexdigest()

    def __repr__(self) -> str:
        return f"Onnx({str(self.path)!r}, size={self.size}, d={self.d}, version={self.version!r})"

    def prepare(self, image: np.ndarray) -> np.ndarray:
        """Bring one image (h, w), (h, w, 1) or (h, w, 3), uint8 or float, to (size, size, 3)."""
        return picture(image, self.size, self.resample)

    def encode(self, images: np.ndarray) -> np.ndarray:
        """Encode images (b, h, w, c), c = 1 or 3 (RGB), uint8 or float, as (b, d) float32.

        Raises ValueError or TypeError for images that cannot be used, and ValueError where the
        network gives no finite number.
        """
        images = checked(images)
        step = self._batch or max(1, CHUNK // (3 * self.size**2))
        vectors = np.empty((len(images), self.d), np.float32)
        for i in range(0, len(images), step):
            chunk = to_unit(prepared(self, images[i : i + step]))
            vectors[i : i + step] = self._run(self._laid_out(chunk))[: len(chunk)]
        return finite(vectors, self.path.name)

    def _laid_out(self, images: np.ndarray) -> np.ndarray:
        """Pictures (b, size, size, 3) from 0 to 1 as the network wants to see them."""
        if self.channels == "grey":
            images = images.mean(axis=3, keepdims=True)
        elif self.channels == "bgr":
            images = images[..., ::-1]
        if self._dtype == np.uint8:
            values = (images * 255).round()
        else:
            mean, std = np.array(self.mean, np.float32), np.array(self.std, np.float32)
            values = (images * np.float32(self.scale) - mean) / std
        if self.layout == "nchw":
            values = values.transpose(0, 3, 1, 2)
        if self._batch and len(values) < self._batch:  # a fixed batch is filled up
            missing = self._batch - len(values)
            values = np.concatenate([values, np.repeat(values[-1:], missing, axis=0)])
        with np.errstate(over="ignore"):  # what does not fit shows in what comes out
            return np.ascontiguousarray(values, dtype=self._dtype)

    def _run(self, values: np.ndarray) -> np.ndarray:
        (out,) = self._session.run([self._output], {self._input: values})
        out = np.asarray(out, dtype=np.float32)
        if out.ndim == 4:
            out = out.mean(axis=(2, 3) if self.layout == "nchw" else (1, 2))
        elif out.ndim == 3:
            out = out.mean(axis=1)
        return out

    def _probed(self) -> int:
        """The length of a vector, from a first run on black images."""
        count = self._batch or 2
        name = self.path.name
        black = np.zeros((count, self.size, self.size, 3), np.float32)
        try:
            out = self._run(self._laid_out(black))
        except Exception as error:
            raise ValueError(
                f"{name} does not run on {count} images of {self.size} x {self.size} pixels: "
                f"{one_line(error)}"
            ) from None
        if out.ndim != 2 or len(out) != count or not out.shape[1]:
            raise ValueError(
                f"the output {self._output!r} of {name} must be one vector an image, got the shape "
                f"{out.shape} for {count} images; name another by output="
            )
        return int(out.shape[1])


def _side_file(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path.name} is no JSON: {one_line(error)}") from None
    if not isinstance(said, dict):
        raise ValueError(f'{path.name} must hold an object, as {{"size": 64}}')
    unknown = sorted(said.keys() - set(KEYS))
    if unknown:
        raise ValueError(
            f"{path.name} has the unknown key {unknown[0]!r}; it may have {', '.join(KEYS)}"
        )
    return {key: value for key, value in said.items() if value is not None}


def _session(content: bytes, name: str) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise ImportError(
            f"Onnx runs networks by onnxruntime, which cannot be imported ({one_line(error)}): "
            "pip install 'anomaly-zoo[onnx]'"
        ) from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = cores()
    options.inter_op_num_threads = 1
    # Threads that wait do not spin: they share the machine with those that read the images.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4  # what is wrong is raised, once
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        line = one_line(error)
        hint = ""
        if "external" in line.lower() or "model_path must not be empty" in line:
            hint = "; save it as one file: onnx.save(onnx.load(path), 'whole.onnx')"
        raise ValueError(
            f"onnxruntime {onnxruntime.__version__} cannot load {name}: {line}{hint}"
        ) from None


def _only_input(session: Any, name: str) -> tuple[str, list[Any], str]:
    inputs = session.get_inputs()
    if len(inputs) != 1:
        listed = ", ".join(f"{one.name} {_shown(one.shape)}" for one in inputs) or "none"
        raise ValueError(f"{name} must have one input, the images; it has {len(inputs)}: {listed}")
    (only,) = inputs
    if only.type not in INPUTS:
        raise ValueError(
            f"the input of {name} must be float, float16, double or uint8, got {only.type}"
        )
    if len(only.shape) != 4:
        raise ValueError(
            f"the input of {name} must be a batch of images of rank 4, (b, c, h, w) or "
            f"(b, h, w, c), got {_shown(only.shape)}"
        )
    return only.name, list(only.shape), only.type


def _form(shape: list[Any], layout: Any, name: str) -> tuple[Layout, int | None, int | None]:
    """Layout, number of channels and side in pixels; None for what the network leaves open."""
    fixed = [n if isinstance(n, int) else None for n in shape]
    orders: dict[Layout, tuple[int | None, int | None, int | None]] = {
        "nchw": (fixed[1], fixed[2], fixed[3]),
        "nhwc": (fixed[3], fixed[1], fixed[2]),
    }
    fits: dict[Layout, tuple[int | None, int | None]] = {}
    for order, (c, h, w) in orders.items():
        same = h is None or w is None or h == w
        if c in (None, 1, 3) and same and all(n is None or n >= MIN_SIDE for n in (h, w)):
            fits[order] = (c, h if h is not None else w)
    if not fits:
        raise ValueError(
            f"the input of {name} must be square images of 1 or 3 channels, (b, c, h, w) or "
            f"(b, h, w, c), got {_shown(shape)}"
        )
    if layout is not None:
        layout = one_of("layout", layout, get_args(Layout))
        if layout not in fits:
            raise ValueError(
                f"layout {layout!r} contradicts {name}, whose input is {_shown(shape)}: leave "
                f"layout out, or say {next(iter(fits))!r}"
            )
    elif len(fits) > 1:
        raise ValueError(
            f"the input of {name}, {_shown(shape)}, leaves open where the channels are: say "
            'layout="nchw" or layout="nhwc"'
        )
    else:
        (layout,) = fits
    c, side = fits[cast(Layout, layout)]
    return cast(Layout, layout), c, side


def _size(found: int | None, said: Any, name: str) -> int:
    if said is None:
        if found is None:
            raise ValueError(
                f"{name} takes images of any size: say which it was trained on, as size=224"
            )
        return found
    if isinstance(said, bool) or not isinstance(said, int):
        raise ValueError(f"size must be a whole number of pixels, got {said!r}")
    if said < MIN_SIDE:
        raise ValueError(f"size must be at least {MIN_SIDE} pixels, got {said}")
    if found is not None and said != found:
        raise ValueError(f"size {said} contradicts {name}, which takes {found} x {found} pixels")
    return said


def _channels(count: int | None, said: Any, name: str) -> Channels:
    if said is None:
        return "grey" if count == 1 else "rgb"
    one_of("channels", said, get_args(Channels))
    if count is not None and (said == "grey") != (count == 1):
        raise ValueError(
            f"channels {said!r} contradicts {name}, whose images have {count} "
            f"channel{'s' if count > 1 else ''}"
        )
    return cast(Channels, said)


def _chosen_output(session: Any, said: Any, name: str) -> str:
    outputs = {one.name: one for one in session.get_outputs()}
    listed = ", ".join(f"{one.name} {_shown(one.shape)}" for one in outputs.values())
    if said is None and len(outputs) > 1:
        raise ValueError(f"{name} has several outputs: name one by output=; there are {listed}")
    chosen = next(iter(outputs)) if said is None else said
    if chosen not in outputs:
        raise ValueError(f"{name} has no output {chosen!r}; there is {listed}")
    kind = outputs[chosen].type
    if kind not in ("tensor(float)", "tensor(float16)", "tensor(double)"):
        raise ValueError(f"the output {chosen!r} of {name} must be float numbers, got {kind}")
    return str(chosen)


def _shown(shape: Sequence[Any]) -> str:
    return "(" + ", ".join(str(n) if isinstance(n, int | str) else "?" for n in shape) + ")"
