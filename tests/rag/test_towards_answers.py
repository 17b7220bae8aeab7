"""Questions are turned towards their answers: a unit vector stays one, and answers come nearer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from app.rag.embeddings import answers
from app.rag.embeddings.answers import save_map, towards_answers
from app.rag.embeddings.local import LocalProvider

# A question, the message that answers it, and one that asks the same.
ASKED = [
    ("Когда сдаём макеты?", "Покажем в пятницу, 16-го, до обеда.", "А когда будут макеты?"),
    ("How much is the support plan?", "£450 a month, on-call included.", "What is the support plan?"),
    ("Почему задержали релиз?", "Магазин не принял сборку, не хватило описания.", "Почему нет релиза?"),
    ("Who signs the contract?", "Send it to Margaret, she has the power of attorney.", "Who signs it?"),
]  # fmt: skip


@pytest.fixture(scope="module")
def encoded(tmp_path_factory: pytest.TempPathFactory) -> NDArray[np.float32]:
    """Vectors of ASKED: by row, and then as they stand in it."""
    encoder = LocalProvider(tmp_path_factory.mktemp("encoder"))
    found = encoder.embed_documents([text for row in ASKED for text in row])
    return np.array(found, dtype=np.float32).reshape(len(ASKED), 3, -1)


def test_a_turned_question_has_length_one_and_is_still_that_question(
    encoded: NDArray[np.float32],
) -> None:
    for question, _, _ in encoded:
        turned = towards_answers(question)
        assert np.linalg.norm(turned) == pytest.approx(1.0, abs=1e-3)
        assert 0.5 < turned @ question < 1.0


def test_answers_come_nearer_than_before_beside_what_only_asks(
    encoded: NDArray[np.float32],
) -> None:
    def lead(
        vector: NDArray[np.float32], answer: NDArray[np.float32], asks: NDArray[np.float32]
    ) -> float:
        return float(vector @ answer - vector @ asks)  # fmt: skip

    gained = [lead(towards_answers(q), a, other) - lead(q, a, other) for q, a, other in encoded]
    assert np.mean(gained) > 0.02, gained


def test_the_vector_that_is_asked_with_is_not_changed(encoded: NDArray[np.float32]) -> None:
    before = encoded[0, 0].copy()
    towards_answers(encoded[0, 0])
    assert (encoded[0, 0] == before).all()


def test_a_kept_map_turns_as_the_whole_one_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "MAP", tmp_path / "answers.npy")
    answers._map.cache_clear()
    rng = np.random.default_rng(1)
    whole = (rng.normal(size=(512, 3)) @ rng.normal(size=(3, 512)) / 512).astype(np.float32)
    question = rng.normal(size=512).astype(np.float32)
    question /= np.linalg.norm(question)
    save_map(whole, rank=3)
    turned = question + whole @ question
    try:
        assert towards_answers(question) @ turned == pytest.approx(np.linalg.norm(turned), abs=1e-3)
    finally:
        answers._map.cache_clear()
