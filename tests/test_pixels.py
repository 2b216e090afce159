"""The baseline encoder: blind to turns and mirrors, sharp otherwise, clear about bad input."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, rotate

from anomaly_zoo.encoders import Pixels

ENCODER = Pixels()
TURNS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "90": lambda images: np.rot90(images, 1, axes=(1, 2)),
    "180": lambda images: np.rot90(images, 2, axes=(1, 2)),
    "270": lambda images: np.rot90(images, 3, axes=(1, 2)),
    "left-right": lambda images: images[:, :, ::-1],
    "up-down": lambda images: images[:, ::-1],
    "transposed": lambda images: images.swapaxes(1, 2),
}


def galaxy(
    kind: str, size: int = 64, angle: float = 0.0, colour: tuple[float, ...] = (1.0, 0.8, 0.6)
) -> np.ndarray:
    """A made-up galaxy (size, size, 3) of values 0 to 1, turned by `angle` degrees, with seeing."""
    fine = 4 * size
    y, x = (np.mgrid[:fine, :fine] - (fine - 1) / 2) / (fine / 2)
    turn = np.deg2rad(angle)
    x, y = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    r, theta = np.hypot(x, y), np.arctan2(y, x)
    light = {
        "round": np.exp(-6 * r),
        "edge-on": np.exp(-6 * np.hypot(x, 5 * y)),
        "spiral": np.exp(-4 * r) * (1 + 0.8 * np.cos(2 * theta - 9 * r)),
        "bar": np.exp(-4 * r) * (1 + 0.8 * np.cos(2 * theta)),
        "pair": np.exp(-40 * ((x - 0.3) ** 2 + y**2)) + np.exp(-40 * ((x + 0.3) ** 2 + y**2)),
    }[kind]
    seen = gaussian_filter(light, fine / 64).reshape(size, 4, size, 4).mean(axis=(1, 3))
    return seen[..., None] / seen.max() * colour


KINDS = ("round", "edge-on", "spiral", "bar", "pair")
GALAXIES = np.stack([galaxy(kind) for kind in KINDS])
NOISE = np.random.default_rng(0).integers(0, 256, (6, 64, 64, 3), dtype=np.uint8)
COLOURS = ((1.0, 0.8, 0.6), (0.5, 0.7, 1.0), (1.0, 1.0, 1.0))


def spread(vectors: np.ndarray) -> float:
    """The smallest distance between two different vectors."""
    distances = np.linalg.norm(vectors[:, None] - vectors[None], axis=2)
    return float(distances[~np.eye(len(vectors), dtype=bool)].min())


def test_gives_float32_vectors_of_the_stated_length() -> None:
    for images in (NOISE, NOISE[..., :1], NOISE / 255, NOISE.astype(np.float16)):
        vectors = ENCODER.encode(images)
        assert vectors.shape == (6, ENCODER.d)
        assert vectors.dtype == np.float32
        assert np.isfinite(vectors).all()
    assert 64 <= ENCODER.d <= 200
    assert ENCODER.encode(NOISE[:0]).shape == (0, ENCODER.d)


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("side", [64, 63, 100])
def test_right_angles_and_mirrors_change_nothing(turn: str, side: int) -> None:
    random = np.random.default_rng(1).random((8, side, side, 3))
    made = np.stack([galaxy(kind, side, 20) for kind in KINDS])
    for images in (random, made):
        before, after = ENCODER.encode(images), ENCODER.encode(TURNS[turn](images))
        np.testing.assert_allclose(after, before, atol=2e-3)
        assert spread(before) > 100 * np.abs(after - before).max()


@pytest.mark.parametrize("turn", TURNS)
def test_right_angles_change_8_bit_pictures_by_their_rounding_alone(turn: str) -> None:
    for side in (64, 100):
        made = np.stack([galaxy(kind, side, 20) for kind in KINDS])
        images = (255 * made).round().astype(np.uint8)
        before, after = ENCODER.encode(images), ENCODER.encode(TURNS[turn](images))
        np.testing.assert_allclose(after, before, atol=2e-3 if side == 64 else 0.1)
        assert spread(before) > 20 * np.abs(after - before).max()


@pytest.mark.parametrize("angle", [10, 37, 45, 71])
def test_other_turns_change_little(angle: float) -> None:
    before = ENCODER.encode(GALAXIES)
    after = ENCODER.encode(np.stack([galaxy(kind, angle=angle) for kind in KINDS]))
    moved = np.linalg.norm(after - before, axis=1)
    assert moved.max() < 0.1 * spread(before)


def test_resampled_turn_of_texture_stays_nearest_to_itself() -> None:
    noise = np.random.default_rng(2).normal(size=(20, 64, 64))
    clumps = gaussian_filter(noise, (0, 3, 3)) * 8
    images = GALAXIES[0, ..., 0] * np.exp(clumps)
    images = images[..., None] * np.ones(3)
    turned = rotate(images, 37, axes=(1, 2), reshape=False, order=3, mode="reflect")
    before, after = ENCODER.encode(images), ENCODER.encode(turned)
    distances = np.linalg.norm(after[:, None] - before[None], axis=2)
    assert (distances.argmin(axis=1) == np.arange(20)).all()
    assert np.median(np.diag(distances)) < 0.2 * spread(before)


def test_brightness_and_unit_do_not_matter() -> None:
    before = ENCODER.encode(GALAXIES)
    np.testing.assert_allclose(ENCODER.encode(GALAXIES * 1e-8), before, atol=1e-3)
    np.testing.assert_allclose(ENCODER.encode(GALAXIES * 1e300), before, atol=1e-3)
    as_bytes = (GALAXIES * 255).round().astype(np.uint8)
    np.testing.assert_allclose(ENCODER.encode(as_bytes), ENCODER.encode(as_bytes / 255), atol=1e-3)


def test_size_of_the_image_hardly_matters() -> None:
    large = ENCODER.encode(np.stack([galaxy(kind, 212) for kind in KINDS]))
    moved = np.linalg.norm(large - ENCODER.encode(GALAXIES), axis=1)
    assert moved.max() < 0.5 * spread(large)


def test_oblong_image_counts_by_its_central_square() -> None:
    wide = np.random.default_rng(3).random((2, 64, 80, 3))
    np.testing.assert_allclose(
        ENCODER.encode(wide)[0], ENCODER.encode(wide[:, :, 8:72])[0], atol=0.05
    )


def test_colour_counts() -> None:
    red = ENCODER.encode(galaxy("round", colour=(1.0, 0.6, 0.3))[None])
    blue = ENCODER.encode(galaxy("round", colour=(0.3, 0.6, 1.0))[None])
    assert np.linalg.norm(red - blue) > 1


def test_spiral_is_told_from_bar_by_its_winding() -> None:
    vectors = dict(zip(KINDS, ENCODER.encode(GALAXIES), strict=True))
    tight = ENCODER.encode(galaxy("spiral", angle=60)[None])[0]
    assert np.linalg.norm(tight - vectors["spiral"]) < np.linalg.norm(tight - vectors["bar"]) / 5


def test_no_block_of_values_decides_alone() -> None:
    from anomaly_zoo.encoders.pixels import BLOCKS

    turned = [galaxy(k, angle=a, colour=c) for k in KINDS for a in (0, 30) for c in COLOURS]
    vectors = ENCODER.encode(np.stack(turned))
    ends = np.cumsum([count for count, _, _ in BLOCKS.values()])
    variances = [part.var(axis=0).sum() for part in np.split(vectors, ends[:-1], axis=1)]
    assert ends[-1] == ENCODER.d
    assert max(variances) < 0.5 * sum(variances)


def test_blank_image_is_finite() -> None:
    for value in (0.0, 1.0, -3.0):
        assert np.isfinite(ENCODER.encode(np.full((1, 64, 64, 3), value))).all()


def test_same_input_same_output_whatever_the_batch() -> None:
    first, again = ENCODER.encode(NOISE), Pixels().encode(NOISE)
    np.testing.assert_array_equal(first, again)
    one_by_one = np.concatenate([ENCODER.encode(image[None]) for image in NOISE])
    np.testing.assert_allclose(one_by_one, first, atol=1e-3)


def test_images_are_left_as_they_are() -> None:
    images = NOISE / 255
    kept = images.copy()
    ENCODER.encode(images)
    np.testing.assert_array_equal(images, kept)


def test_version_stands_for_what_comes_out() -> None:
    """If this fails because the encoder was changed: raise REVISION and renew the numbers."""
    assert ENCODER.version == "7c39cba8"
    lengths = np.linalg.norm(ENCODER.encode(GALAXIES), axis=1)
    np.testing.assert_allclose(lengths, [10.43, 12.34, 12.54, 11.42, 10.42], atol=0.01)


@pytest.mark.parametrize(
    ("images", "error", "message"),
    [
        (np.zeros((64, 64, 3), np.uint8), ValueError, r"\(b, h, w, c\).*image\[None\]"),
        (np.zeros((64, 64), np.uint8), ValueError, r"\(b, h, w, c\), got \(64, 64\)"),
        (np.zeros((2, 3, 64, 64), np.uint8), ValueError, "bands first"),
        (np.zeros((2, 64, 64, 4), np.uint8), ValueError, "1 band or 3"),
        (np.zeros((2, 1, 1, 3), np.uint8), ValueError, "at least 8 x 8 pixels, got 1 x 1"),
        (np.zeros((2, 64, 64, 3), np.int64), TypeError, "uint8 or float, got int64"),
        (np.zeros((2, 64, 64, 3), np.complex64), TypeError, "got complex64"),
        (np.full((2, 64, 64, 3), "a"), TypeError, "uint8 or float"),
        ([np.zeros((64, 64, 3)), np.zeros((32, 32, 3))], TypeError, "different sizes"),
    ],
)
def test_bad_input_is_refused(images: np.ndarray, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        ENCODER.encode(images)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_pixels_without_a_value_are_refused_by_number(value: float) -> None:
    images = np.zeros((9, 64, 64, 3))
    images[[2, 5, 6, 8], 3, 3, 0] = value
    with pytest.raises(ValueError, match=r"4 of 9 images have NaN or infinite.*2, 5, 6, …"):
        ENCODER.encode(images)


def test_a_size_too_small_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 16 pixels, got 4"):
        Pixels(size=4)
