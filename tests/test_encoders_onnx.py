"""Networks in ONNX files: the same numbers as NumPy, and clear errors for what cannot be used."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx_models import WEIGHTS, model

from anomaly_zoo.encoders import Onnx, label, named

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (5, 16, 16, 3), dtype=np.uint8)


def by_hand(pixels: np.ndarray) -> np.ndarray:
    """The same network on (b, h, w, c) in float64."""
    weights = WEIGHTS[pixels.shape[3]]
    windows = np.lib.stride_tricks.sliding_window_view(pixels, (3, 3), axis=(1, 2))
    return np.maximum(np.einsum("bhwcij,dcij->bhwd", windows, weights), 0).mean(axis=(1, 2))


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("fixed", ["all", "batch open", "size open"])
def test_gives_what_the_network_gives(
    tmp_path: Path, layout: str, channels: int, fixed: str
) -> None:
    batch: Any = 2 if fixed == "all" else "batch"
    side: Any = "side" if fixed == "size open" else 16
    shape = (batch, channels, side, side) if layout == "nchw" else (batch, side, side, channels)
    path = model(tmp_path / "m.onnx", shape, layout=layout, channels=channels)
    encoder = Onnx(path, size=16 if fixed == "size open" else None)
    assert (encoder.size, encoder.d, encoder.layout) == (16, 6, layout)
    pixels = IMAGES / 255
    expected = by_hand(pixels if channels == 3 else pixels.mean(axis=3, keepdims=True))
    np.testing.assert_allclose(encoder.encode(IMAGES), expected, rtol=1e-5)


def test_preprocessing_is_what_the_arguments_say(tmp_path: Path) -> None:
    path = model(tmp_path / "m.onnx", ("b", 3, 16, 16))
    mean, std = (10.0, 20.0, 30.0), (2.0, 3.0, 4.0)
    encoder = Onnx(path, scale=255, mean=mean, std=np.array(std), channels="bgr")
    expected = by_hand((IMAGES[..., ::-1].astype(float) - mean) / std)
    np.testing.assert_allclose(encoder.encode(IMAGES), expected, rtol=1e-5)


@pytest.mark.parametrize("kind", ["float16", "double", "uint8"])
def test_takes_other_kinds_of_numbers(tmp_path: Path, kind: str) -> None:
    path = model(tmp_path / "m.onnx", ("b", 3, 16, 16), kind=kind)
    scale = 255 if kind == "uint8" else 1
    for images in (IMAGES, IMAGES / 255):
        got = Onnx(path).encode(images)
        np.testing.assert_allclose(got, by_hand(IMAGES / 255 * scale), rtol=1e-3)
    if kind == "uint8":
        with pytest.raises(ValueError, match="takes uint8 pixels as they are"):
            Onnx(path, mean=0.5)


@pytest.mark.parametrize(
    ("layout", "end"),
    [("nchw", "map"), ("nchw", "pixel"), ("nchw", "tokens"), ("nhwc", "map"), ("nhwc", "tokens")],
)
def test_maps_and_tokens_are_averaged(tmp_path: Path, layout: str, end: str) -> None:
    shape = ("b", 3, 16, 16) if layout == "nchw" else ("b", 16, 16, 3)
    encoder = Onnx(model(tmp_path / "m.onnx", shape, layout=layout, ends=(end,)))
    np.testing.assert_allclose(encoder.encode(IMAGES), by_hand(IMAGES / 255), rtol=1e-5)


def test_one_of_several_outputs_is_named(tmp_path: Path) -> None:
    path = model(tmp_path / "m.onnx", ("b", 3, 16, 16), ends=("map", "vector"))
    with pytest.raises(ValueError, match=r"several outputs.*output=; there are map .*, vector"):
        Onnx(path)
    with pytest.raises(ValueError, match="no output 'x'; there is map"):
        Onnx(path, output="x")
    assert Onnx(path, output="vector").d == 6
    assert Onnx(path, output="vector").version != Onnx(path, output="map").version


def test_side_file_says_it_once_for_all(tmp_path: Path) -> None:
    path = model(tmp_path / "m.onnx", ("b", 3, "h", "w"))
    said = {"size": 16, "scale": 255, "mean": [10, 20, 30], "std": 5, "channels": "bgr"}
    path.with_suffix(".json").write_text(json.dumps(said | {"resample": "bicubic"}))
    encoder = named(str(path))
    argued = model(tmp_path / "n.onnx", ("b", 3, "h", "w"))
    same = Onnx(argued, size=16, scale=255, mean=(10, 20, 30), std=5, channels="bgr", name="m")
    assert encoder.version != same.version  # bilinear, so far
    same = Onnx(
        argued, size=16, scale=255, mean=(10, 20, 30), std=5, channels="bgr", resample="bicubic",
        name="m",
    )  # fmt: skip
    assert label(encoder) == label(same)
    np.testing.assert_array_equal(encoder.encode(IMAGES), same.encode(IMAGES))
    assert Onnx(path, size=24).size == 24  # arguments win


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "m.json is no JSON"),
        ("[1]", "m.json must hold an object"),
        ('{"sise": 16}', "unknown key 'sise'; it may have size, layout"),
        ('{"size": "16"}', "size must be a whole number of pixels, got '16'"),
        ('{"size": 32}', r"size 32 contradicts m.onnx, which takes 16 x 16"),
        ('{"mean": [0.5, 0.5]}', r"mean must be a number or 3 of them, got \[0.5, 0.5\]"),
        ('{"mean": ["a"]}', "mean must be a number"),
        ('{"mean": NaN}', "mean must be a number"),
        ('{"std": 0}', "must be above 0"),
        ('{"scale": -1}', "must be above 0"),
        ('{"layout": "hwc"}', "layout: expected one of nchw, nhwc, got 'hwc'"),
        ('{"layout": "nhwc"}', r"layout 'nhwc' contradicts m.onnx.*\(b, 3, 16, 16\).*say 'nchw'"),
        ('{"channels": "grey"}', "channels 'grey' contradicts m.onnx, whose images have 3"),
        ('{"channels": ["rgb"]}', "channels: expected one of"),
        ('{"resample": "cubic"}', "resample: expected one of nearest, bilinear"),
    ],
)
def test_what_the_side_file_cannot_say(tmp_path: Path, text: str, message: str) -> None:
    path = model(tmp_path / "m.onnx", ("b", 3, 16, 16))
    path.with_suffix(".json").write_text(text)
    with pytest.raises(ValueError, match=message):
        Onnx(path)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (("b", 5, 16, 16), r"1 or 3 channels.*got \(b, 5, 16, 16\)"),
        (("b", 16, 16, 5), "1 or 3 channels"),
        (("b", 3, 16, 32), "must be square images"),
        (("b", 3, 4, 4), "must be square images"),
        (("b", 3, 16), r"rank 4.*got \(b, 3, 16\)"),
        (("b", "x", "y", "z"), "leaves open where the channels are.*layout="),
        ((None, None, None, None), r"\(\?, \?, \?, \?\), leaves open where"),
        (("b", 3, "h", "w"), "images of any size: say which .* size=224"),
    ],
)
def test_inputs_that_cannot_be_used(tmp_path: Path, shape: tuple[Any, ...], message: str) -> None:
    info = helper.make_tensor_value_info("images", TensorProto.FLOAT, list(shape))
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, None)
    graph = helper.make_graph([helper.make_node("Relu", ["images"], ["out"])], "g", [info], [out])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(made, tmp_path / "m.onnx")
    with pytest.raises(ValueError, match=message):
        Onnx(tmp_path / "m.onnx")


def test_an_open_layout_is_settled_by_the_argument(tmp_path: Path) -> None:
    path = model(tmp_path / "m.onnx", ("a", "b", "c", "d"))
    got = Onnx(path, layout="nchw", size=16).encode(IMAGES)
    np.testing.assert_allclose(got, by_hand(IMAGES / 255), rtol=1e-5)
    with pytest.raises(ValueError, match="does not run on 2 images of 16 x 16 pixels"):
        Onnx(path, layout="nhwc", size=16)  # the network finds 16 channels


def test_other_networks_are_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"must be float, float16, double or uint8, got.*int64"):
        Onnx(model(tmp_path / "a.onnx", ("b", 3, 16, 16), kind="int64"))
    with pytest.raises(ValueError, match=r"must be float numbers, got tensor.int64"):
        Onnx(model(tmp_path / "b.onnx", ("b", 3, 16, 16), ends=("numbers",)))
    with pytest.raises(ValueError, match="one vector an image, got the shape"):
        Onnx(model(tmp_path / "c.onnx", ("b", 3, 16, 16), ends=("sum",)))

    two = onnx.load(model(tmp_path / "d.onnx", ("b", 3, 16, 16)))
    extra = helper.make_tensor_value_info("more", TensorProto.FLOAT, ["b"])
    two.graph.input.append(extra)
    onnx.save(two, tmp_path / "d.onnx")
    with pytest.raises(ValueError, match=r"one input, the images; it has 2: images \(b, 3"):
        Onnx(tmp_path / "d.onnx")

    custom = onnx.load(model(tmp_path / "e.onnx", ("b", 3, 16, 16)))
    custom.graph.node[1].op_type = "Reluish"
    onnx.save(custom, tmp_path / "e.onnx")
    with pytest.raises(ValueError, match=r"cannot load e.onnx: [^\n]*Reluish[^\n]*$"):
        Onnx(tmp_path / "e.onnx")

    (tmp_path / "f.onnx").write_bytes(b"no network")
    with pytest.raises(ValueError, match=r"onnxruntime \S+ cannot load f.onnx: [^\n]+$"):
        Onnx(tmp_path / "f.onnx")
    with pytest.raises(FileNotFoundError, match=r"there is no file .*g.onnx"):
        Onnx(tmp_path / "g.onnx")
    with pytest.raises(ValueError, match="name must hold a letter"):
        Onnx(model(tmp_path / "h.onnx", ("b", 3, 16, 16)), name=" / ")


def test_weights_in_another_file_are_refused_with_the_remedy(tmp_path: Path) -> None:
    path = model(tmp_path / "m.onnx", ("b", 3, 16, 16))
    onnx.save(
        onnx.load(path), tmp_path / "split.onnx", save_as_external_data=True, size_threshold=0
    )
    with pytest.raises(ValueError, match=r"cannot load split.onnx.*save it as one file"):
        Onnx(tmp_path / "split.onnx")


def test_numbers_that_are_none_are_refused(tmp_path: Path) -> None:
    path = model(tmp_path / "m.onnx", ("b", 3, 16, 16), kind="float16")
    images = IMAGES.copy()
    images[:3] = 0
    with pytest.raises(ValueError, match=r"NaN or infinity for 2 of 5 images .*number 3"):
        Onnx(path, scale=1e9).encode(images)


def test_version_stands_for_file_and_preprocessing(tmp_path: Path) -> None:
    path = model(tmp_path / "m.onnx", ("b", 3, "h", "w"))
    versions = {
        Onnx(path, **settings).version
        for settings in (
            {"size": 16},
            {"size": 32},
            {"size": 16, "mean": 0.5},
            {"size": 16, "std": 0.5},
            {"size": 16, "scale": 2},
            {"size": 16, "channels": "bgr"},
            {"size": 16, "resample": "box"},
        )
    }
    assert len(versions) == 7
    assert Onnx(path, size=16, name="other").version == Onnx(path, size=16).version
    assert label(Onnx(path, size=16, name="my net/2")).startswith("my_net_2 ")
    changed = onnx.load(path)
    changed.graph.initializer[0].CopyFrom(numpy_helper.from_array(2 * WEIGHTS[3], "w"))
    onnx.save(changed, tmp_path / "n.onnx")
    assert Onnx(tmp_path / "n.onnx", size=16).version not in versions


def test_survey_data_is_no_picture_yet(tmp_path: Path) -> None:
    encoder = Onnx(model(tmp_path / "m.onnx", ("b", 3, 16, 16)))
    with pytest.raises(ValueError, match=r"0 to 1, got 0 to 255; divide pictures by 255"):
        encoder.encode(IMAGES.astype(float))
    with pytest.raises(ValueError, match="must go from 0 to 1"):
        encoder.prepare(np.full((40, 40), -5.0))


def test_missing_extra_is_said_in_one_line(tmp_path: Path) -> None:
    path = model(tmp_path / "m.onnx", ("b", 3, 16, 16))
    code = (
        "import sys; sys.modules['onnxruntime'] = None\n"
        "from anomaly_zoo.encoders import Onnx\n"
        f"try: Onnx({str(path)!r})\n"
        "except ImportError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("pip install 'anomaly-zoo[onnx]'")
    assert len(done.stdout.splitlines()) == 1
