"""Where the answers to a question lie, as the local encoder sees it.

The encoder puts a question beside texts that resemble it, other questions first of all. A small linear map,
fitted on labelled questions (`python -m bench.practice --fit`), turns it towards the texts that answered such
questions. Texts keep their vectors, so that nothing has to be embedded anew when the map changes.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

MAP = Path(__file__).with_name("answers.npy")

Floats = NDArray[np.float32]


def towards_answers(vector: ArrayLike) -> Floats:
    """The question's vector (512 numbers) turned by the map, of length 1."""
    question = np.asarray(vector, dtype=np.float32)
    question = question / np.linalg.norm(question)
    reads, writes = _map()
    turned: Floats = question + writes @ (reads @ question)
    return turned / np.linalg.norm(turned)


def save_map(whole: Floats, rank: int) -> None:
    """Keep the `rank` strongest directions of a 512×512 map: as good on questions it has not seen, and a
    quarter of the size."""
    left, strength, right = np.linalg.svd(whole)
    parts = np.stack([right[:rank], (left[:, :rank] * strength[:rank]).T])
    np.save(MAP, parts.astype(np.float16))
    _map.cache_clear()


@lru_cache(maxsize=1)
def _map() -> tuple[Floats, Floats]:
    """What is read of a question (rank×512), and what is written into it for that (512×rank)."""
    reads, writes = np.load(MAP).astype(np.float32)
    return reads, np.ascontiguousarray(writes.T)
