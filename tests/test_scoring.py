"""A survey scored part by part gives the order of the whole, from memory, a map or Parquet."""

from __future__ import annotations

import itertools
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import anomaly_zoo as az
from anomaly_zoo import acquisition as rules
from anomaly_zoo.interest import InterestModel
from anomaly_zoo.representation import feature_writer
from anomaly_zoo.scan import MapPart, ParquetPart, Part, Top, merged
from anomaly_zoo.scoring import score_part
from anomaly_zoo.shortlist import utility

N, K = 40_000, 200


def survey(kind: str = "clusters") -> np.ndarray:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, 6)) + 3 * rng.normal(size=(9, 6))[rng.integers(0, 9, N)]
    X *= np.geomspace(1, 0.1, 6) / 3
    match kind:
        case "far out":
            X[::100] *= 1e4
        case "all near the rated":
            X = X[:300][rng.integers(0, 300, N)] + 1e-3 * X
    return X.astype(np.float32)


def taught(X: np.ndarray, n: int = 90) -> tuple[InterestModel, np.ndarray]:
    rated = np.arange(0, 7 * n, 7)
    return InterestModel.fit(X[rated], np.where(X[rated, 0] > 0.5, 5.0, rated % 3.0)), rated


def ids(n: int = N) -> list[str]:
    return [f"J{i:05d}" for i in np.random.default_rng(3).permutation(n)]


def best(X: np.ndarray, model: InterestModel, rule: Any, best_f: float, without: Any) -> Any:
    values = utility(rule, model.posterior(X), best_f, None)  # type: ignore[arg-type]
    values[without] = -np.inf
    return values


@pytest.mark.parametrize("kind", ["clusters", "far out", "all near the rated"])
@pytest.mark.parametrize(
    "rule",
    [
        rules.expected_improvement,
        rules.upper_confidence_bound,
        rules.greedy,
        rules.uncertainty,
        rules.probability_of_improvement,  # falls where the spread grows: nothing is left out
    ],
)
def test_the_parts_together_are_the_whole(kind: str, rule: Any) -> None:
    X = survey(kind)
    model, rated = taught(X)
    space = az.Representation(ids(), X)
    values = best(X, model, rule, 2.0, rated)
    parts = space.parts(3)
    tables = [score_part(part, model, rule, 2.0, K, rated) for part in parts]
    whole = merged(tables)
    assert len(whole.ids) == K and not set(whole.rows) & set(rated)
    tolerance = 2e-4 * max(1.0, np.ptp(values[np.isfinite(values)]))
    np.testing.assert_allclose(whole.values, np.sort(values)[::-1][:K], atol=tolerance)
    np.testing.assert_allclose(values[whole.rows], whole.values, atol=tolerance)
    assert (space.ids[whole.rows] == whole.ids).all()
    for order in itertools.permutations(tables):
        again = merged([merged(order[:2]), order[2]])
        assert again.ids.tolist() == whole.ids.tolist()
    least = whole.values[-1] - tolerance
    known = [score_part(part, model, rule, 2.0, K, rated, least) for part in parts]
    assert all(table.values.min(initial=least) >= least for table in known)
    np.testing.assert_allclose(merged(known).values, whole.values, atol=tolerance)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_memory_map_and_parquet_are_one(tmp_path: Path, dtype: Any) -> None:
    X = survey().astype(dtype)
    model, _ = taught(X.astype(np.float32))
    names = ids()
    np.save(tmp_path / "x.npy", X)
    about: dict[str, str] = {}
    with feature_writer(tmp_path / "x.parquet", 6, about, half=dtype is np.float16) as add:
        for start in range(0, N, 7000):
            add(np.array(names[start : start + 7000]), X[start : start + 7000])
    mapped = az.Representation.read(tmp_path / "x.npy", ids=names)
    file = ParquetPart.of(tmp_path / "x.parquet", "id_str", ["features"])
    sources: list[list[Part]] = [
        list(az.Representation(names, X).parts(2)),
        list(mapped.parts(4)),
        list(file.split(3)),
    ]
    assert isinstance(sources[1][0], MapPart) and len(sources[2]) == 3
    found: list[Top] = []
    for parts in sources:
        sent = pickle.loads(pickle.dumps((parts, model)))  # as to another process
        rule = rules.expected_improvement
        found.append(merged([score_part(part, sent[1], rule, 2.0, K) for part in sent[0]]))
    for other in found[1:]:
        np.testing.assert_allclose(other.values, found[0].values, rtol=1e-5)
        assert len(set(other.ids) ^ set(found[0].ids)) <= 2, "but for rounding at the last place"


def test_few_are_computed_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    from anomaly_zoo.process import Scorer

    X = survey()
    model, _ = taught(X, 200)
    counted: list[int] = []
    original = Scorer.explained

    def explained(self: Scorer, k: Any, bands: slice = slice(None)) -> Any:
        if bands.start:
            counted.append(len(k))
        return original(self, k, bands)

    monkeypatch.setattr(Scorer, "explained", explained)
    [part] = az.Representation(ids(), X).parts(1)
    score_part(part, model, rules.expected_improvement, 3.0, 20)
    assert sum(counted) < 0.25 * N * len(model.processes)


def test_bad_questions_are_refused() -> None:
    X = survey()[:100]
    model, _ = taught(X, 10)
    [part] = az.Representation(ids(100), X).parts(1)
    with pytest.raises(ValueError, match="draws cannot score one part"):
        score_part(part, model, rules.thompson, 0.0, 3)
    with pytest.raises(ValueError, match="at least 1"):
        score_part(part, model, rules.greedy, 0.0, 0)
    few = score_part(part, model, rules.greedy, 0.0, 300, np.arange(40))
    assert len(few.ids) == 60
