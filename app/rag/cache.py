"""Answers remembered for a while, in the process. The version of the project's data is a part of the
key, so nothing has to be thrown away when data changes: an old key is simply not asked for again."""

from __future__ import annotations

import threading
import time
import zlib
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

import orjson

from app.web.responses import dump_json

SECONDS = 300.0
DEGRADED_SECONDS = 10.0
MOST = 500


class AnswerCache:
    """Remembers answers, and lets one of several equal questions work while the others wait."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # As packed JSON: a fiftieth of the memory that the objects take.
        self._answers: OrderedDict[Hashable, tuple[float, bytes]] = OrderedDict()
        self._working: dict[Hashable, threading.Event] = {}

    def answer(
        self, key: Hashable, make: Callable[[], dict[str, Any]], patience: float
    ) -> tuple[dict[str, Any], bool]:
        """The answer, and whether it was remembered."""
        found = self._get(key)
        if found is not None:
            return found, True
        with self._lock:
            other = self._working.get(key)
            mine = None if other else self._working.setdefault(key, threading.Event())
        if mine is None:
            assert other is not None
            other.wait(patience)
            found = self._get(key)
            return (found, True) if found is not None else (make(), False)
        try:
            found = self._get(key)  # somebody may have finished between the two looks
            if found is not None:
                return found, True
            made = make()
            self._put(key, made)
            return made, False
        finally:
            with self._lock:
                del self._working[key]
            mine.set()

    def _get(self, key: Hashable) -> dict[str, Any] | None:
        with self._lock:
            held = self._answers.get(key)
            if held is None or held[0] < time.monotonic():
                return None
            self._answers.move_to_end(key)
        found: dict[str, Any] = orjson.loads(zlib.decompress(held[1]))
        return found

    def _put(self, key: Hashable, answer: dict[str, Any]) -> None:
        body = zlib.compress(dump_json(answer), 1)
        seconds = DEGRADED_SECONDS if answer["degraded"] else SECONDS
        with self._lock:
            self._answers[key] = (time.monotonic() + seconds, body)
            if len(self._answers) > MOST:
                self._answers.popitem(last=False)


cache = AnswerCache()
