"""The candidates that re-ranking takes, and the scores that it gives them, against reference values of T2VLP's."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mcg.scoring.reranking import among_best, best_places, log_product, ranking_scores
from tests.parity.released import read_case


@given(st.integers(1, 8), st.integers(0, 2**32 - 1))
def test_the_best_by_contrast_stand_before_the_others_in_the_order_of_matching(depth: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    contrast, match = generator.normal(size=(2, 4, 6)).astype(np.float32)
    best = among_best(contrast, depth)
    assert (best.sum(1) == min(depth, 6)).all()
    scores = ranking_scores(contrast, np.where(best, match, np.nan), depth)
    assert _orders(scores) == _expected(best, match, contrast)


@given(st.integers(1, 8), st.integers(0, 2**32 - 1), st.floats(0.01, 2))
def test_the_product_ranks_the_best_by_similarity_and_matching_together(
    depth: int, seed: int, temperature: float
) -> None:
    generator = np.random.default_rng(seed)
    contrast, match = generator.normal(size=(2, 4, 6)).astype(np.float32)
    best = among_best(contrast, depth)
    scores = ranking_scores(contrast, np.where(best, match, np.nan), depth, temperature)
    logits = contrast.astype(np.float64) / temperature
    shares = np.exp(logits - logits.max()) / (np.exp(logits - logits.max()) * best).sum(1, keepdims=True)
    assert _orders(scores) == _expected(best, shares / (1 + np.exp(-match.astype(np.float64))), contrast)


def test_products_that_no_number_holds_keep_their_order() -> None:
    contrast = np.array([[1.0, 0.5, -0.9, -1.0]], np.float32)
    match = np.array([[-90.0, 3.0, 2.0, 1.0]], np.float32)
    scores = ranking_scores(contrast, match, 4, 0.001)  # shares down to exp(-2000)
    assert _orders(scores) == [[0, 1, 2, 3]] and len(np.unique(scores)) == 4


def test_candidates_that_are_alike_tie_in_either_rule() -> None:
    contrast, match = np.full((1, 3), 0.3, np.float32), np.full((1, 3), -1.2, np.float32)
    for temperature in (None, 0.07):
        assert len(np.unique(ranking_scores(contrast, match, 3, temperature))) == 1


def test_the_product_is_the_one_of_the_release() -> None:
    """`t2vlp_retrieval_a`: match logits are stored of its loss's pairs. A pair has one probability in both directions,
    so that of the others each direction is compared with what the other one's matrix implies."""
    case = read_case("t2vlp_retrieval_a")
    given_ = {name: tensor.numpy() for name, tensor in case.given.items()}
    stored_TV = _stored_matches(given_)
    depth = case.facts["rerank_depth"]
    sides = {way: _Side(given_, way, depth) for way in ("t2v", "v2t")}
    implied = {"t2v": sides["v2t"].implied().T, "v2t": sides["t2v"].implied().T}
    for way, side in sides.items():
        stored = stored_TV if way == "t2v" else stored_TV.T
        told = np.where(np.isnan(stored), implied[way], stored)
        match = np.where(np.isnan(told), side.implied(), told)
        assert (side.best & ~np.isnan(told)).sum() >= 20, "most are compared with what another matrix says"
        ours = 1000 * np.exp(log_product(side.candidates(side.logits), side.candidates(match))) + 1000
        assert np.abs(ours - side.candidates(side.released)).max() <= 1e-4 * side.released.max()
        assert (side.released[~side.best] == side.logits.astype(np.float32)[~side.best]).all()
        temperature = float(np.exp(-case.facts["config"]["logit_scale_parameter"]))
        scores = ranking_scores((side.logits * temperature).astype(np.float32), match, depth, temperature)
        assert _orders(scores) == _orders(side.released)


class _Side:
    """One direction: rows are queries."""

    def __init__(self, given_: dict[str, np.ndarray], way: str, depth: int) -> None:
        similarity = given_["similarity"].astype(np.float64)
        self.logits = similarity if way == "t2v" else similarity.T
        self.released = given_[f"reranked_{way}_corrected"].astype(np.float64)
        self.best = among_best(self.logits.astype(np.float32), depth)
        self._places_QD = best_places(self.logits.astype(np.float32), depth)
        assert (self._places_QD == given_[f"rerank_candidates_{way}"]).all()

    def candidates(self, matrix: np.ndarray) -> np.ndarray:
        """The columns of each query's best."""
        return np.take_along_axis(matrix, self._places_QD, 1)

    def implied(self) -> np.ndarray:
        """Differences of match logits; NaN where no candidate."""
        logits = self.candidates(self.logits)
        probability = (self.candidates(self.released) / 1000 - 1) / np.exp(
            log_product(logits, np.full_like(logits, 100))
        )
        found = np.full_like(self.logits, np.nan)
        np.put_along_axis(found, self._places_QD, np.log(probability / (1 - probability)), 1)
        return found


def _stored_matches(given_: dict[str, np.ndarray]) -> np.ndarray:
    """(T, V), NaN where none is stored. Rows of the loss: each sample's own pair, its text with the hard video, its
    video with the hard text."""
    match = np.full((7, 7), np.nan)
    logits = given_["vtm_logits_corrected"].reshape(7, 3, 2).astype(np.float64)
    for sample, rows in enumerate(logits[:, :, 1] - logits[:, :, 0]):
        video, text = given_["hard_negative_video_per_text"][sample], given_["hard_negative_text_per_video"][sample]
        match[sample, sample], match[sample, video], match[text, sample] = rows
    return match


def _orders(scores_QC: np.ndarray) -> list[list[int]]:
    found: list[list[int]] = np.argsort(-scores_QC, axis=1, kind="stable").tolist()
    return found


def _expected(best: np.ndarray, first: np.ndarray, then: np.ndarray) -> list[list[int]]:
    """The best in the order of one score, behind them the others in that of another."""
    return [
        [
            *sorted(np.flatnonzero(row).tolist(), key=lambda c: -first[query, c]),
            *sorted(np.flatnonzero(~row).tolist(), key=lambda c: -then[query, c]),
        ]
        for query, row in enumerate(best)
    ]
