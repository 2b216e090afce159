"""The encoder in the package; what it shares with the others is in test_encoders_contract.py."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from scipy.ndimage import rotate

from anomaly_zoo.encoders import Zoonet
from anomaly_zoo.encoders.zoonet import WEIGHTS
from anomaly_zoo.examples import zoo


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    rng = np.random.default_rng(0)
    y, x = np.mgrid[-1:1:64j, -1:1:64j]
    tilt = rng.uniform(0, np.pi, 6)[:, None, None]
    along, across = np.cos(tilt) * x + np.sin(tilt) * y, np.cos(tilt) * y - np.sin(tilt) * x
    light = np.exp(-7 * np.hypot(along, 3 * across))[..., None] * [1.0, 0.8, 0.6]
    return np.clip(light * 220 + rng.normal(12, 4, light.shape), 0, 255).astype(np.uint8)


def test_size_of_weights_and_vectors() -> None:
    assert WEIGHTS.stat().st_size <= 4_000_000
    assert 64 <= Zoonet().d <= 256


def test_turns_and_mirrors_change_little() -> None:
    galaxies = zoo(progress=False).catalog
    images = np.stack([np.asarray(galaxies.image(id_str)) for id_str in galaxies.ids[:60]])
    encoder = Zoonet()
    straight = encoder.encode(images)
    others = np.linalg.norm(straight[:, None] - straight, axis=2)
    typical = np.median(others[~np.eye(60, dtype=bool)])
    changed = [np.rot90(images, k, (1, 2)) for k in (1, 2, 3)] + [images[:, :, ::-1]]
    changed.append(rotate(images, 37, axes=(1, 2), reshape=False, order=1))
    for other in changed:
        moved = np.linalg.norm(encoder.encode(np.ascontiguousarray(other)) - straight, axis=1)
        assert np.median(moved) < 0.2 * typical


def test_corners_do_not_count(images: np.ndarray) -> None:
    y, x = np.mgrid[:64, :64] - 31.5
    changed = images.copy()
    changed[:, np.hypot(x, y) > 32] = 200
    encoder = Zoonet()
    d = len(load_file(WEIGHTS)["out.bias"])  # of the network; the measurements take sky from there
    assert np.array_equal(encoder.encode(images)[:, :d], encoder.encode(changed)[:, :d])
    changed[:, np.hypot(x, y) > 24] = 200
    assert not np.allclose(encoder.encode(images), encoder.encode(changed), atol=0.1)


def test_the_place_in_the_batch_changes_nothing(images: np.ndarray) -> None:
    many = np.concatenate([images] * 25)  # more than one batch
    encoder = Zoonet()
    vectors = encoder.encode(many).reshape(25, len(images), -1)
    alone = np.concatenate([encoder.encode(image[None]) for image in images])
    assert np.allclose(vectors, alone, atol=1e-4 * np.abs(alone).max())


def test_version_follows_the_weights(tmp_path: Path) -> None:
    copy, other = tmp_path / "copy.safetensors", tmp_path / "other.safetensors"
    shutil.copy(WEIGHTS, copy)
    weights = load_file(WEIGHTS)
    weights["out.bias"] = weights["out.bias"] + 1
    save_file(weights, other)
    assert Zoonet(copy).version == Zoonet().version != Zoonet(other).version
    assert len(Zoonet().version) == 8


def test_weights_that_cannot_be_used(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    zeros = np.zeros((1, 64, 64, 3), np.uint8)
    with pytest.raises(FileNotFoundError, match=r"there are no weights at .*reinstall"):
        Zoonet(path).encode(zeros)
    with pytest.raises(FileNotFoundError, match=r"there are no weights at"):
        _ = Zoonet(path).version
    path.write_bytes(b"not weights at all")
    with pytest.raises(ValueError, match=r"weights.safetensors is not a safetensors file"):
        Zoonet(path).encode(zeros)
    save_file({"a": torch.zeros(2)}, path)
    with pytest.raises(ValueError, match=r"weights.safetensors holds another network: it has no"):
        Zoonet(path).encode(zeros)
    weights = load_file(WEIGHTS)
    save_file(weights | {"stem.weight": weights["stem.weight"][:, :1].contiguous()}, path)
    with pytest.raises(ValueError, match=r"weights.safetensors holds another network: "):
        Zoonet(path).encode(zeros)
