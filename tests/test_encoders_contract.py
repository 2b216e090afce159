"""What holds for every encoder, run over each one that can be loaded here."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from anomaly_zoo.encoders import Encoder, Onnx, Pixels, Timm, label, named

Make = Callable[..., Encoder]


def pixels(folder: Path) -> Make:
    return Pixels


def zoonet(folder: Path) -> Make:
    from anomaly_zoo.encoders import Zoonet
    from anomaly_zoo.encoders.zoonet import WEIGHTS

    if not WEIGHTS.is_file():
        pytest.skip(f"{WEIGHTS.name} is not in the package")
    return Zoonet


def onnx(folder: Path) -> Make:
    from onnx_models import model

    path = model(folder / "tiny.onnx", ("b", 3, "side", "side"))
    return lambda size=32: Onnx(path, size=size, mean=[0.1, 0.2, 0.3], std=0.3)


def onnx_grey(folder: Path) -> Make:
    from onnx_models import model

    path = model(folder / "grey.onnx", (1, "side", "side", 1), layout="nhwc", channels=1)
    return lambda size=32: Onnx(path, size=size, resample="bicubic")


def timm(folder: Path) -> Make:
    from test_encoders_timm import saved

    path = saved(folder / "net", "resnet10t", num_classes=0)
    return lambda size=64: Timm(path, size=size)


MAKERS = {f.__name__: f for f in (pixels, zoonet, onnx, onnx_grey, timm)}


@pytest.fixture(scope="module", params=MAKERS)
def make(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Make:
    return MAKERS[request.param](tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def encoder(make: Make) -> Encoder:
    return make()


def pictures(count: int, h: int, w: int, c: int = 3) -> np.ndarray:
    """Blobs and some noise, (count, h, w, c) uint8."""
    rng = np.random.default_rng(h * w)
    smooth = gaussian_filter(rng.normal(size=(count, h, w, c)), (0, h / 12, w / 12, 0))
    smooth -= smooth.min(axis=(1, 2, 3), keepdims=True)
    smooth *= 220 / smooth.max(axis=(1, 2, 3), keepdims=True)
    return (smooth + rng.integers(0, 30, smooth.shape)).astype(np.uint8)


SHAPES = [(80, 100, 3), (33, 31, 1), (64, 64, 3), (8, 300, 3)]


def assert_close(one: np.ndarray, two: np.ndarray, within: float) -> None:
    """Vectors that differ by less than a part of what different images differ by."""
    apart = np.linalg.norm(one[:, None] - one[None], axis=2)[np.triu_indices(len(one), 1)]
    assert np.linalg.norm(one - two, axis=1).max() < within * apart.min()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["uint8", "float16", "float32", "float64"])
def test_vectors_are_float32_finite_and_of_the_stated_length(
    encoder: Encoder, shape: tuple[int, int, int], kind: str
) -> None:
    images = pictures(3, *shape)
    given = images if kind == "uint8" else (images / 255).astype(kind)
    kept = given.copy()
    vectors = encoder.encode(given)
    assert vectors.shape == (3, encoder.d)
    assert vectors.dtype == np.float32
    assert np.isfinite(vectors).all()
    assert len(np.unique(vectors.round(6), axis=0)) == 3, "different images, different vectors"
    np.testing.assert_array_equal(given, kept)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", [np.uint8, np.float64])
def test_prepare_gives_the_square_and_does_it_once(
    encoder: Encoder, shape: tuple[int, int, int], kind: type
) -> None:
    image = pictures(1, *shape)[0]
    image = image if kind == np.uint8 else image / 255
    once = encoder.prepare(image)
    assert once.shape == (encoder.size, encoder.size, 3)
    assert once.dtype == (np.uint8 if kind == np.uint8 else np.float32)
    again = encoder.prepare(once)
    assert again.dtype == once.dtype
    np.testing.assert_array_equal(again, once)
    if shape[2] == 1:
        np.testing.assert_array_equal(encoder.prepare(image[:, :, 0]), once)
        np.testing.assert_array_equal(encoder.prepare(image.repeat(3, axis=2)), once)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_encode_prepares_as_prepare_does(
    encoder: Encoder, shape: tuple[int, int, int], kind: type
) -> None:
    images = pictures(4, *shape)
    images = images if kind == np.uint8 else (images / 255).astype(kind)
    ready = np.stack([encoder.prepare(image) for image in images])
    np.testing.assert_allclose(encoder.encode(images), encoder.encode(ready), atol=1e-5)


def test_a_vector_depends_on_its_own_image_alone(encoder: Encoder) -> None:
    images = pictures(70, encoder.size, encoder.size)
    together = encoder.encode(images)
    scale = np.abs(together).max()
    for i in (0, 1, 69):
        alone = encoder.encode(images[i : i + 1])[0]
        np.testing.assert_allclose(alone, together[i], atol=1e-5 * scale)
    back = encoder.encode(images[::-1])[::-1]
    np.testing.assert_allclose(back, together, atol=1e-5 * scale)
    np.testing.assert_array_equal(encoder.encode(images), together)


@pytest.mark.parametrize("side", ["its own", "another"])
def test_bytes_and_floats_of_a_picture_agree(encoder: Encoder, side: str) -> None:
    n = encoder.size if side == "its own" else 2 * encoder.size + 9
    images = pictures(4, n, n)
    assert_close(encoder.encode(images), encoder.encode(images / 255), within=0.05)


def test_grey_is_one_band_or_three_alike(encoder: Encoder) -> None:
    grey = pictures(3, 70, 70, 1)
    np.testing.assert_allclose(
        encoder.encode(grey), encoder.encode(grey.repeat(3, axis=3)), atol=1e-5
    )


def test_no_images_give_no_vectors(encoder: Encoder) -> None:
    for shape in ((0, encoder.size, encoder.size, 3), (0, 50, 40, 1)):
        for kind in (np.uint8, np.float32):
            vectors = encoder.encode(np.empty(shape, kind))
            assert vectors.shape == (0, encoder.d)
            assert vectors.dtype == np.float32


def test_a_memory_layout_of_any_kind_does(encoder: Encoder) -> None:
    images = pictures(3, encoder.size, encoder.size)
    for other in (np.asfortranarray(images), images[:, :, ::-1][:, :, ::-1]):
        np.testing.assert_allclose(encoder.encode(other), encoder.encode(images), atol=1e-5)
    kept = images.copy()
    kept.setflags(write=False)
    encoder.encode(kept)


WRONG: list[tuple[Any, type[Exception], str]] = [
    (np.zeros((64, 64), np.uint8), ValueError, r"\(b, h, w, c\), got \(64, 64\)"),
    (np.zeros((64, 64, 3), np.uint8), ValueError, r"image\[None\]"),
    (np.zeros((2, 3, 64, 64), np.uint8), ValueError, "bands first"),
    (np.zeros((2, 64, 64, 4), np.uint8), ValueError, "1 band or 3.* transparency"),
    (np.zeros((2, 64, 64, 0), np.uint8), ValueError, "1 band or 3"),
    (np.zeros((2, 1, 1, 3), np.uint8), ValueError, "at least 8 x 8 pixels, got 1 x 1"),
    (np.zeros((2, 64, 64, 3), bool), TypeError, "uint8 or float, got bool"),
    (np.zeros((2, 64, 64, 3), np.uint16), TypeError, "got uint16; .*stretch"),
    (np.zeros((2, 64, 64, 3), np.int64), TypeError, "uint8 or float, got int64"),
    (np.zeros((2, 64, 64, 3), np.complex64), TypeError, "got complex64"),
    (np.full((2, 64, 64, 3), "a"), TypeError, "uint8 or float"),
    (np.full((2, 64, 64, 3), None), TypeError, "got object"),
    (np.full((2, 64, 64, 3), np.nan), ValueError, "2 of 2 images have NaN"),
    (np.full((2, 64, 64, 3), np.inf, np.float32), ValueError, "2 of 2 images have NaN"),
    (np.ma.masked_equal(np.zeros((2, 64, 64, 3), np.uint8), 0), ValueError, "2 of 2 images"),
    ([np.zeros((64, 64, 3)), np.zeros((32, 32, 3))], TypeError, "different sizes"),
]


@pytest.mark.parametrize(("images", "error", "message"), WRONG)
def test_a_batch_that_cannot_be_used(
    encoder: Encoder, images: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        encoder.encode(images)


@pytest.mark.parametrize(
    ("image", "error", "message"),
    [
        (np.zeros(64, np.uint8), ValueError, r"shape \(h, w, 3\) or \(h, w\), got \(64,\)"),
        (np.zeros((2, 64, 64, 3), np.uint8), ValueError, "one by one"),
        (np.zeros((3, 64, 64), np.uint8), ValueError, "bands first"),
        (np.zeros((64, 64, 4), np.uint8), ValueError, "transparency"),
        (np.zeros((1, 1), np.uint8), ValueError, "at least 8 x 8 pixels, got 1 x 1"),
        (np.zeros((7, 900, 3), np.uint8), ValueError, "got 7 x 900"),
        (np.zeros((64, 64), bool), TypeError, "uint8 or float, got bool"),
        (np.zeros((64, 64), np.int16), TypeError, "got int16; .*stretch"),
        (np.full((64, 64), np.nan), ValueError, "all 4096 values of the image are NaN"),
        (np.where(np.eye(64) > 0, -np.inf, 0.5), ValueError, "64 of 4096 values of the image"),
        ([[0.5] * 64] * 64, TypeError, "one NumPy array"),
        (None, TypeError, "one NumPy array"),
    ],
)
def test_an_image_that_cannot_be_used(
    encoder: Encoder, image: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        encoder.prepare(image)


def test_very_large_images_are_brought_down_or_refused(encoder: Encoder) -> None:
    strip = np.broadcast_to(np.uint8(9), (20_000, 40, 3))
    assert (encoder.prepare(strip) == 9).all()
    whole = np.broadcast_to(np.uint8(9), (20_000, 20_000, 3))
    with pytest.raises(ValueError, match=r"10,000 pixels a side, got 20,000 x 20,000; cut"):
        encoder.prepare(whole)


def test_only_the_central_square_counts(encoder: Encoder) -> None:
    image = pictures(1, 60, 60)[0]
    for rim in (0, 255):
        wide = np.full((60, 100, 3), rim, np.uint8)
        wide[:, 20:80] = image
        np.testing.assert_array_equal(encoder.prepare(wide), encoder.prepare(image))


def test_threads_prepare_at_the_same_time(make: Make) -> None:
    encoder = make()  # not loaded yet, so that they load it together too
    images = [image for shape in SHAPES for image in pictures(10, *shape)]
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(encoder.prepare, images))
    for image, one in zip(images, got, strict=True):
        np.testing.assert_array_equal(one, encoder.prepare(image))


def test_version_is_of_the_settings_not_of_the_object(make: Make, encoder: Encoder) -> None:
    assert make().version == encoder.version
    assert len(encoder.version) == 8
    assert int(encoder.version, 16) >= 0
    name, version = label(encoder).split(" ")
    assert (name, version) == (encoder.name, encoder.version)
    if type(encoder).__name__ != "Zoonet":  # which has one size
        assert make(size=40).version != encoder.version
        assert make(size=40).prepare(np.zeros((90, 90), np.uint8)).shape == (40, 40, 3)


@pytest.mark.parametrize("text", ["resnet", "", "hf_hub:", "timm:", "model.pt", "Zoonet()"])
def test_a_text_that_names_no_encoder(text: str) -> None:
    with pytest.raises(ValueError, match='expected "zoonet", "pixels"'):
        named(text)


def test_an_encoder_is_named_by_a_text(tmp_path: Path) -> None:
    assert isinstance(named(" pixels "), Pixels)
    with pytest.raises(FileNotFoundError, match="there is no file"):
        named(str(tmp_path / "model.onnx"))
