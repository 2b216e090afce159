"""What the network learns: the losses."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from anomaly_zoo.encoders.train.galaxies import Galaxies
from anomaly_zoo.encoders.train.network import Learner

TEMPERATURE = 0.2


def same_galaxy(first: Tensor, second: Tensor) -> Tensor:
    """The loss of SimCLR for two views (b, d) each: which of the others is mine?

    Chen et al. (2020, ICML), eq. 1, with temperature 0.2.
    """
    b = len(first)
    z = F.normalize(torch.cat([first, second]), dim=1)
    likeness = z @ z.T / TEMPERATURE
    likeness = likeness.masked_fill(torch.eye(2 * b, dtype=torch.bool, device=z.device), -1e4)
    return F.cross_entropy(likeness, torch.arange(2 * b, device=z.device).roll(b))


def vote_loss(logits: Tensor, votes: Tensor, questions: tuple[int, ...]) -> Tensor:
    """Minus the log likelihood of the votes (b, answers), a vote, averaged over what was asked."""
    asked, total = votes.new_zeros(()), votes.new_zeros(())
    for said, given in zip(logits.split(questions, 1), votes.split(questions, 1), strict=True):
        asked = asked - (F.log_softmax(said, dim=1) * given).sum()
        total = total + given.sum()
    return asked / total.clamp(min=1)


def loss(learner: Learner, h: Tensor, batch: Galaxies, same: float, named: float) -> Tensor:
    """All that is learned from features h (2b, width) of two views of a batch: `same` and `named`
    are the weights of what needs no labels and of what does."""
    real = batch.morphology >= 0
    twice = torch.cat([real, real])
    z = learner.same(h)
    first, second = z.chunk(2)
    total = h.new_zeros(())
    for part in (real, ~real):
        if part.any():
            total = total + same * part.float().mean() * same_galaxy(first[part], second[part])
    if real.any():
        said, truth = learner.morphology(h[twice]), batch.morphology[real].repeat(2)
        total = total + named * real.float().mean() * F.cross_entropy(said, truth)
    if (told := batch.kind >= 0).any():
        twice = torch.cat([told, told])
        said, truth = learner.kind(h[twice]), batch.kind[told].repeat(2)
        votes = vote_loss(learner.votes(h[twice]), batch.votes[told].repeat(2, 1), batch.questions)
        share = told.float().mean()
        total = total + named * share * (F.cross_entropy(said, truth) + votes)
    return total
