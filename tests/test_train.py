"""How zoonet is made: a small training runs for real, is resumed, frozen and loaded."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from anomaly_zoo.encoders import Pixels, Zoonet, zoonet
from anomaly_zoo.encoders.train.freeze import DIMENSIONS, MEASURED, SHARE, frozen, write
from anomaly_zoo.encoders.train.galaxies import (
    Galaxies,
    batches,
    held_out,
    real,
    simulated,
    together,
)
from anomaly_zoo.encoders.train.learn import Settings, train
from anomaly_zoo.encoders.train.lessons import loss, same_galaxy, vote_loss
from anomaly_zoo.encoders.train.network import WIDTHS, Learner, Network
from anomaly_zoo.encoders.train.views import view
from anomaly_zoo.simulate import KINDS

pytest.importorskip("galsim", reason="the simulated galaxies need anomaly-zoo[simulate]")

SETTINGS = Settings(epochs=2, batch=32, simulated=60, seed=3)


@pytest.fixture(scope="module")
def parquet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eighty small pictures of blobs, round or long."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[-1:1:64j, -1:1:64j]
    rows = []
    for number in range(80):
        long = number % 2
        blob = 200 * np.exp(-8 * np.hypot(x, (1 + 3 * long) * y))[:, :, None] * [1.0, 0.8, 0.6]
        file = io.BytesIO()
        noisy = np.clip(blob + rng.normal(10, 4, blob.shape), 0, 255)
        Image.fromarray(noisy.astype(np.uint8)).save(file, "JPEG")
        rows.append(
            {"id": str(number), "morphology": ("round", "long")[long], "image": file.getvalue()}
        )
    path = tmp_path_factory.mktemp("real") / "real.parquet"
    pd.DataFrame(rows).to_parquet(path)
    return path


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def galaxies(parquet: Path, work: Path) -> Galaxies:
    return together(real(parquet), simulated(SETTINGS.simulated, SETTINGS.seed, work))


@pytest.fixture(scope="module")
def trained(galaxies: Galaxies, work: Path) -> Network:
    return train(galaxies, SETTINGS, work, compile=False)


def test_one_in_five_is_held_out_by_its_id(parquet: Path) -> None:
    ids = pd.Series([str(number) for number in range(10_000)])
    out = held_out(ids)
    assert 0.18 < out.mean() < 0.22
    assert (held_out(ids[::-1])[::-1] == out).all()
    table = pd.read_parquet(parquet)
    assert len(real(parquet).images) == len(table) - held_out(table["id"]).sum() < len(table)


def test_real_and_simulated_together(galaxies: Galaxies) -> None:
    is_real = galaxies.morphology >= 0
    assert galaxies.images.shape[1:] == (3, 64, 64) and galaxies.images.dtype == torch.uint8
    assert ((galaxies.kind >= 0) == ~is_real).all()
    assert (galaxies.votes[is_real] == 0).all() and (galaxies.votes[~is_real].sum(1) > 0).all()
    assert sum(galaxies.questions) == galaxies.votes.shape[1]


def test_some_kinds_may_come_without_name_and_votes(galaxies: Galaxies, work: Path) -> None:
    made = (SETTINGS.simulated, SETTINGS.seed, work)
    kinds = simulated(*made).kind
    blind = simulated(*made, ["ring", "spiral"])
    hidden = (kinds == KINDS.index("ring")) | (kinds == KINDS.index("spiral"))
    assert 0 < hidden.sum() < len(kinds)
    assert torch.equal(blind.kind, kinds.where(~hidden, torch.tensor(-1)))
    assert (blind.votes[hidden] == 0).all() and (blind.votes[~hidden].sum(1) > 0).all()
    with pytest.raises(ValueError, match="no such kinds: unicorn; there are round"):
        simulated(*made, ["unicorn"])
    learner = Learner(2, int(kinds.max()) + 1, galaxies.votes.shape[1])
    batch = together(real_part(galaxies), blind)
    h = torch.randn(2 * len(batch.kind), WIDTHS[-1], requires_grad=True)
    loss(learner, h, batch, 0.0, 1.0).backward()
    assert h.grad is not None
    untold = (batch.kind < 0) & (batch.morphology < 0)
    assert torch.equal((h.grad.abs().sum(1) == 0), torch.cat([untold, untold]))


def real_part(galaxies: Galaxies) -> Galaxies:
    rows = galaxies.morphology >= 0
    return Galaxies(*(part[rows] for part in galaxies[:4]), ())  # type: ignore[arg-type]


def test_batches_hold_each_galaxy_once(galaxies: Galaxies) -> None:
    numbered = galaxies._replace(kind=torch.arange(len(galaxies.kind)))
    seen = [batch.kind for batch in batches(numbered, 10, torch.Generator().manual_seed(0))]
    rows = torch.cat(seen)
    assert all(len(part) == 10 for part in seen)
    assert len(rows.unique()) == len(rows) > len(galaxies.kind) - 10
    again = batches(numbered, 10, torch.Generator().manual_seed(0))
    assert torch.equal(rows, torch.cat([batch.kind for batch in again]))


def test_a_view_is_another_picture_of_the_same(galaxies: Galaxies) -> None:
    images = galaxies.images[:9].float() / 255
    one, two = (view(images, torch.Generator().manual_seed(seed)) for seed in (1, 2))
    again = view(images, torch.Generator().manual_seed(1))
    assert one.shape == images.shape and one.min() >= 0 and one.max() <= 1
    assert torch.equal(one, again) and not torch.allclose(one, two, atol=0.01)
    assert torch.equal(images, galaxies.images[:9].float() / 255)  # left as they were


def test_same_galaxy_prefers_pairs() -> None:
    first = torch.eye(8)
    assert same_galaxy(first, first) < same_galaxy(first, first.roll(1, 0))
    # With every vector alike, each of the 2b - 1 others is as likely: eq. 1 of SimCLR.
    alike = torch.ones(8, 4)
    assert float(same_galaxy(alike, alike)) == pytest.approx(np.log(15), abs=1e-5)


def test_vote_loss_is_least_at_the_votes() -> None:
    votes = torch.tensor([[30.0, 10.0, 0.0, 0.0, 0.0]])  # the second question was never asked
    right = torch.tensor([[np.log(0.75), np.log(0.25), 5.0, 0.0, 0.0]], dtype=torch.float32)
    entropy = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    assert float(vote_loss(right, votes, (2, 3))) == pytest.approx(entropy, abs=1e-5)
    assert vote_loss(torch.zeros(1, 5), votes, (2, 3)) > entropy + 0.1
    assert float(vote_loss(torch.zeros(1, 5), torch.zeros(1, 5), (2, 3))) == 0


def test_each_part_of_the_loss_reaches_its_head(galaxies: Galaxies) -> None:
    torch.manual_seed(0)
    batch = next(batches(galaxies, 32, torch.Generator().manual_seed(0)))
    learner = Learner(2, int(galaxies.kind.max()) + 1, galaxies.votes.shape[1])
    h = torch.randn(64, WIDTHS[-1], requires_grad=True)
    loss(learner, h, batch, 1.0, 1.0).backward()
    assert h.grad is not None and (h.grad.abs().sum(1) > 0).all()
    for head in (learner.same[0], learner.morphology, learner.kind, learner.votes):
        assert isinstance(head.weight.grad, torch.Tensor) and head.weight.grad.abs().sum() > 0
    h.grad = None
    learner.zero_grad()
    loss(learner, h, batch, 1.0, 0.0).backward()  # without labels
    assert learner.morphology.weight.grad.abs().sum() == 0


def test_training_learns(galaxies: Galaxies, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    train(galaxies, Settings(epochs=4, batch=32, simulated=60, seed=3), tmp_path, compile=False)
    losses = [
        float(line.split("loss ")[1].split(",")[0])
        for line in capsys.readouterr().out.split("\n")
        if line
    ]
    assert len(losses) == 4 and losses[-1] < 0.9 * losses[0]


def test_a_stopped_training_goes_on_to_the_same_end(
    galaxies: Galaxies, trained: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from anomaly_zoo.encoders.train import learn

    def stop_after_one(*given: object) -> None:
        real_save(*given)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    real_save = learn.save
    monkeypatch.setattr(learn, "save", stop_after_one)
    with pytest.raises(KeyboardInterrupt):
        train(galaxies, SETTINGS, tmp_path, compile=False)
    monkeypatch.undo()
    resumed = train(galaxies, SETTINGS, tmp_path, compile=False)
    for name, tensor in trained.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name
    with pytest.raises(ValueError, match=r"checkpoint.* is of other settings.*another --work"):
        train(galaxies, SETTINGS._replace(seed=4), tmp_path, compile=False)


def test_the_frozen_network_is_the_trained_one(
    trained: Network, galaxies: Galaxies, tmp_path: Path
) -> None:
    images = galaxies.images.float() / 255
    weights = frozen(trained, galaxies.images)
    with torch.inference_mode():
        h = trained(images)
        v = zoonet.features(images, weights)
        expected = (h - h.mean(0)) @ weights["out.weight"].T
    assert v.shape == (len(images), DIMENSIONS)
    assert torch.allclose(v, expected, atol=1e-3 * float(expected.abs().max()))
    covariance = torch.cov(v.T)
    leading = covariance.diagonal()[:10]
    assert (leading.diff() <= 0).all()  # principal axes, the widest first
    assert (covariance - covariance.diag().diag()).abs().max() < 0.01 * leading[0]

    path = tmp_path / "weights.safetensors"
    write(weights, path, {"seed": SETTINGS.seed})
    encoder = Zoonet(path)
    pixels = galaxies.images.permute(0, 2, 3, 1).numpy()
    encoded = encoder.encode(pixels)
    turns = [zoonet.features(torch.rot90(images, k, (2, 3)), weights) for k in range(2)]
    mean = torch.stack(turns).mean(0).numpy()
    network, measured = encoded[:, :DIMENSIONS], encoded[:, DIMENSIONS:]
    assert np.allclose(network, mean, atol=0.01 * np.abs(mean).max())  # kept as float16
    shares = measured.var(0).sum() / v.numpy().var(0).sum()
    assert shares == pytest.approx(SHARE, rel=0.1)  # some of the measured axes are left out
    by_hand = Pixels().encode(pixels)
    assert np.allclose(
        np.linalg.norm(measured - measured[0], axis=1)
        / np.linalg.norm(by_hand - by_hand[0], axis=1).clip(1e-9),
        np.sqrt(SHARE * v.numpy().var(0).sum() / by_hand.var(0).sum())
        * (np.arange(len(pixels)) > 0),
        rtol=0.1,
    )
    assert encoder.version != Zoonet().version


def test_the_command_writes_weights(parquet: Path, work: Path, tmp_path: Path) -> None:
    target = tmp_path / "zoonet.safetensors"
    given = [
        "--work",
        str(work),
        "--simulated",
        str(SETTINGS.simulated),
        "--seed",
        "3",
        "--untrained",
    ]
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "anomaly_zoo.encoders.train",
            str(parquet),
            *given,
            "-o",
            str(target),
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert Zoonet(target).encode(np.zeros((1, 64, 64, 3), np.uint8)).shape == (
        1,
        DIMENSIONS + MEASURED,
    )
