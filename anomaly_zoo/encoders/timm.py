"""Networks of timm and of the Hugging Face Hub as encoders: Zoobot and many others."""

from __future__ import annotations

import difflib
import hashlib
import json
import threading
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from anomaly_zoo.encoders.hub import CONFIG, CONVERT, WEIGHTS, fetched
from anomaly_zoo.encoders.images import (
    MIN_SIDE,
    RESAMPLES,
    Resample,
    checked,
    finite,
    picture,
    prepared,
    unit,
)
from anomaly_zoo.encoders.settings import numbers, one_line, one_of, one_word

REVISION = 1  # raise it when the code changes what comes out
CHUNK = 4_000_000  # pixel values given to the network at once
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
LOADING = threading.Lock()  # one network at a time: timm seeds and reads global settings


class Timm:
    """An encoder that runs a network of timm, by PyTorch, with the weights it was trained to.

    ``model`` is

    - ``hf_hub:owner/model`` (or with ``@revision``): a model on the Hugging Face Hub, as Zoobot's
      ``hf_hub:mwalmsley/zoobot-encoder-convnext_nano``;
    - a name of timm's own, as ``convnext_nano.in12k_ft_in1k``, whose weights lie there too;
    - a folder with ``config.json`` and ``model.safetensors``, as timm's ``save_for_hf`` writes it
      (``local-dir:folder`` says the same).

    Weights are read from safetensors alone: a pickled checkpoint could run code. The network is
    loaded, and downloaded where need be, when it is first used. It sees the central square of an
    image, all of it, brought to its own size (or to ``size``, where it takes another), less
    ``mean`` and divided by ``std``: those of its configuration, unless given. A network of one
    band sees the mean of red, green and blue. ``resample`` is "bicubic", say; ``device`` is one of
    PyTorch's, "cpu" unless given.

    Raises ImportError where timm or huggingface_hub is missing, ValueError for a model that cannot
    be used, ConnectionError where the Hub cannot be reached.

        Timm("hf_hub:mwalmsley/zoobot-encoder-convnext_nano")

    >>> Timm("weights/pytorch_model.bin")
    Traceback (most recent call last):
    ...
    ValueError: weights/pytorch_model.bin is pickled Python, which could run code: give a folder \
with config.json and model.safetensors
    """

    def __init__(
        self,
        model: str | Path,
        *,
        size: int | None = None,
        mean: float | list[float] | tuple[float, ...] | None = None,
        std: float | list[float] | tuple[float, ...] | None = None,
        resample: Resample | None = None,
        device: str = "cpu",
        name: str | None = None,
    ) -> None:
        self.model = str(model).strip()
        source, _, place = self.model.partition(":")
        self._repo, self._folder, self._known = "", None, ""
        if source in ("hf_hub", "hf-hub") and place:
            self._repo = place
        elif source == "local-dir" and place:
            self._folder = Path(place).expanduser()
        elif self.model.lower().endswith((*PICKLES, ".safetensors")):
            pickled = not self.model.lower().endswith(".safetensors")
            what = "pickled Python, which could run code" if pickled else "the weights alone"
            raise ValueError(f"{self.model} is {what}: give a folder with {CONFIG} and {WEIGHTS}")
        elif self.model and Path(self.model).expanduser().is_dir():
            self._folder = Path(self.model).expanduser()
        elif not self.model or any(mark in self.model for mark in ":/\\"):
            raise ValueError(
                "model: expected hf_hub:owner/model, a name of timm's or a folder that exists, "
                f"got {self.model!r}"
            )
        else:
            self._known = self.model
        if size is not None and (isinstance(size, bool) or int(size) != size or size < MIN_SIDE):
            raise ValueError(f"size must be a whole number of pixels from {MIN_SIDE}, got {size!r}")
        if resample is not None:
            one_of("resample", resample, RESAMPLES)
        self._said = (size, mean, std, resample)
        self.device = device
        last = self._folder.resolve().name if self._folder else self._repo.split("@")[0]
        self.name = one_word((last or self._known).split("/")[-1] if name is None else name)
        if find_spec("timm") is None:
            raise ImportError("Timm runs networks of timm: pip install 'anomaly-zoo[timm]'")
        self._state: _Network | None = None

    def __repr__(self) -> str:
        return f"Timm({self.model!r})"

    @property
    def size(self) -> int:
        """The side in pixels of what the network sees."""
        return self._loaded.size

    @property
    def d(self) -> int:
        """The length of a vector."""
        return self._loaded.d

    @property
    def version(self) -> str:
        """Eight hex characters that change with the weights and with what the network sees."""
        return self._loaded.version

    def prepare(self, image: np.ndarray) -> np.ndarray:
        """Bring one image (h, w), (h, w, 1) or (h, w, 3), uint8 or float, to (size, size, 3)."""
        return picture(image, self.size, self._loaded.resample)

    def encode(self, images: np.ndarray) -> np.ndarray:
        """Encode images (b, h, w, c), c = 1 or 3 (RGB), uint8 or float, as (b, d) float32.

        Raises ValueError or TypeError for images that cannot be used, and ValueError where the
        network gives no finite number.
        """
        images = checked(images)
        loaded = self._loaded
        step = max(1, CHUNK // (3 * loaded.size**2))
        vectors = np.empty((len(images), loaded.d), np.float32)
        for i in range(0, len(images), step):
            chunk = unit(prepared(self, images[i : i + step]))
            vectors[i : i + step] = loaded.run(chunk)
        return finite(vectors, self.name)

    @property
    def _loaded(self) -> _Network:
        if self._state is None:
            with LOADING:
                if self._state is None:
                    self._state = self._load()
        return self._state

    def _load(self) -> _Network:
        timm = _timm()
        folder = self._folder
        if folder is None:
            repo = self._repo or _home(timm, self._known)
            folder = fetched(*repo.split("@", 1))
        config = _config(folder, self.model)
        size, mean, std, resample = self._said
        bands = _bands(folder, config)
        network = _created(timm, folder, config, size, bands)

        seen = timm.data.resolve_model_data_config(network)
        high, wide = seen["input_size"][1:]
        if size is None and high != wide:
            raise ValueError(f"{self.model} sees {high} x {wide} pixels: say which side, as size=")
        if resample is None:
            found = seen["interpolation"]
            resample = found if found in RESAMPLES else "bicubic"
        loaded = _Network(
            network=network.to(self.device),
            device=self.device,
            size=int(size or high),
            d=0,
            resample=resample,
            mean=_per_band("mean", seen["mean"] if mean is None else mean, bands),
            std=_per_band("std", seen["std"] if std is None else std, bands),
            version="",
        )
        if min(loaded.std) <= 0:
            raise ValueError(f"std must be above 0, got {loaded.std}")
        built = (REVISION, config["architecture"], config.get("model_args"))
        preprocessing = (loaded.size, loaded.resample, loaded.mean, loaded.std)
        digest = hashlib.blake2b(repr((built, preprocessing)).encode(), digest_size=4)
        with open(folder / WEIGHTS, "rb") as file:
            hashlib.file_digest(file, lambda: digest)
        return loaded._replace(d=_width(loaded, self.model), version=digest.hexdigest())


class _Network(NamedTuple):
    """A loaded network and what it sees."""

    network: Any
    device: str
    size: int
    d: int
    resample: Resample
    mean: tuple[float, ...]  # one a band, as std
    std: tuple[float, ...]
    version: str

    def run(self, pictures: np.ndarray) -> np.ndarray:
        """Vectors of pictures (b, size, size, 3) from 0 to 1, with the shape the network gives."""
        import torch

        if len(self.mean) == 1:
            pictures = pictures.mean(axis=3, keepdims=True)
        values = (pictures - np.array(self.mean, np.float32)) / np.array(self.std, np.float32)
        batch = np.ascontiguousarray(values.transpose(0, 3, 1, 2))
        with torch.inference_mode():
            return self.network(torch.from_numpy(batch).to(self.device)).float().cpu().numpy()


def _timm() -> Any:
    try:
        import timm
        import timm.data
    except (ImportError, RuntimeError, OSError) as error:
        raise ImportError(
            f"timm cannot be imported ({one_line(error)}): pip install 'anomaly-zoo[timm]', with "
            "torch and torchvision from the same index, both for CPU or both for GPU"
        ) from None
    return timm


def _home(timm: Any, name: str) -> str:
    """The model on the Hub that holds the weights of a name of timm's."""
    architecture = name.split(".")[0]
    known = timm.get_pretrained_cfg(name) if timm.is_model(architecture) else None
    if known is None:
        names = timm.list_models() + timm.list_models(pretrained=True)
        near = difflib.get_close_matches(name, names, 3)
        hint = f"; did you mean {', '.join(near)}?" if near else "; see timm.list_models('*…*')"
        raise ValueError(f"timm knows no model {name!r}{hint}")
    if not known.hf_hub_id:
        raise ValueError(f"timm has no weights for {name!r} on the Hugging Face Hub")
    return str(known.hf_hub_id)


def _config(folder: Path, model: str) -> dict[str, Any]:
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}")
    there = sorted(path.name for path in folder.iterdir())
    if CONFIG not in there:
        raise ValueError(f"{folder} has no {CONFIG}: it is no model of timm's")
    if WEIGHTS not in there:
        pickles = [name for name in there if name.lower().endswith(PICKLES)]
        reason = (
            f"{pickles[0]} is pickled Python, which could run code: "
            + CONVERT.format(name=f"local-dir:{folder}")
            if pickles
            else "timm.models.save_for_hf(network, folder, safe_serialization=True) writes it"
        )
        raise ValueError(f"{folder} has no {WEIGHTS}; {reason}")
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"the {CONFIG} of {model} is no JSON: {one_line(error)}") from None
    if not isinstance(config, dict) or not isinstance(config.get("architecture"), str):
        raise ValueError(f"the {CONFIG} of {model} names no architecture: it is no model of timm's")
    return config


def _bands(folder: Path, config: dict[str, Any]) -> int:
    """How many bands the network was trained on: what its first convolution takes."""
    from safetensors import SafetensorError, safe_open

    first = config.get("pretrained_cfg", config).get("first_conv")
    try:
        with safe_open(folder / WEIGHTS, framework="numpy") as weights:
            key = f"{first}.weight"
            shape = weights.get_slice(key).get_shape() if key in weights.keys() else []  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"{folder / WEIGHTS} cannot be read: {one_line(error)}") from None
    bands = shape[1] if len(shape) == 4 else 3
    if bands not in (1, 3):
        raise ValueError(f"{folder.name} takes {bands} bands; an encoder here takes 1 or 3")
    return int(bands)


def _created(timm: Any, folder: Path, config: dict[str, Any], size: int | None, bands: int) -> Any:
    """The network with its weights, and none left as it was drawn."""
    import torch
    from safetensors import safe_open

    options = {} if bands == 3 else {"in_chans": bands}
    if size is not None and config.get("pretrained_cfg", config).get("fixed_input_size"):
        options["img_size"] = size

    def create(seed: int) -> Any:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            made = timm.create_model(
                f"local-dir:{folder}", pretrained=True, num_classes=0, **options
            )
        return made.eval()

    try:
        network = create(0)
        with safe_open(folder / WEIGHTS, framework="numpy") as weights:
            there = set(weights.keys())
        if network.state_dict().keys() - there:
            # Renamed on the way, or missing: what is missing comes out as it was drawn.
            pairs = zip(network.state_dict().items(), create(1).state_dict().values(), strict=True)
            drawn = [key for (key, one), other in pairs if not bool((one == other).all())]
            if drawn:
                raise ValueError(f"{WEIGHTS} lacks {len(drawn)} of its tensors, as {drawn[0]}")
    except Exception as error:
        raise ValueError(f"timm cannot load {folder}: {one_line(error)}") from None
    return network


def _per_band(key: str, said: Any, bands: int) -> tuple[float, ...]:
    values = numbers(key, said, 3)
    return values if bands == 3 else (float(np.mean(values)),)


def _width(loaded: _Network, model: str) -> int:
    """The length of a vector, from a first run on a black picture."""
    size = loaded.size
    try:
        out = loaded.run(np.zeros((2, size, size, 3), np.float32))
    except Exception as error:
        raise ValueError(
            f"{model} does not run on pictures of {size} x {size} pixels: {one_line(error)}"
        ) from None
    if out.ndim != 2 or len(out) != 2 or not out.shape[1]:
        raise ValueError(
            f"{model} must give one vector an image, got the shape {out.shape} for 2 images"
        )
    return int(out.shape[1])
