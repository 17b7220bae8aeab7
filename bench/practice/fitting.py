"""Fitting what ranks answers, by the likelihood that a right source is drawn when each source is drawn in
proportion to exp(fit) (a softmax regression, fitted by Adam: Kingma and Ba, 2015)."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from bench.practice.examples import Example, Floats

SHARPNESS = 10.0  # what a fit of 1 counts in the exponent, as fitted together with the weights
RATE = 3e-4
BATCH = 32
PASSES = 8
RESTRAINT = 0.05  # of the map: without it, it learns the questions by heart
STEPS = 250  # of the weights
WEIGHTS_RATE, WEIGHTS_RESTRAINT = 0.1, 0.01


def fit_map(
    examples: list[Example], weights: Floats, tick: Callable[[], None] = lambda: None
) -> Floats:
    """The 512×512 map that turns questions towards their answers, everything else in ranking as it is.

    `weights` are those of an example's signs. The same examples give the same map.
    """
    shuffled, order = random.Random(0), list(examples)
    rest = {id(example): example.signs @ weights for example in examples}
    width = len(examples[0].question)
    found = np.zeros((width, width), dtype=np.float32)
    adam = _Adam(found.shape, RATE)
    for _ in range(PASSES):
        shuffled.shuffle(order)
        for batch in _batches(order):
            slope = np.zeros_like(found)
            for example in batch:
                turned = example.question + found @ example.question
                missed = _missed(example.sources @ turned + rest[id(example)], example)
                slope += np.outer(SHARPNESS * (missed @ example.sources), example.question)
            found -= adam.step(slope / BATCH + RESTRAINT * found)
        tick()
    return found


def fit_weights(examples: list[Example]) -> Floats:
    """What each sign counts beside the similarity; the first of the answer is the similarity's own, the
    sharpness."""
    tables = [_table(example) for example in examples]
    spread = np.concatenate(tables).std(axis=0) + 1e-6
    tables = [table / spread for table in tables]
    found = np.zeros(tables[0].shape[1])
    adam = _Adam(found.shape, WEIGHTS_RATE)
    for _ in range(STEPS):
        slope = sum(
            table.T @ _missed(table @ found / SHARPNESS, example)
            for table, example in zip(tables, examples, strict=True)
        )
        found -= adam.step(slope / len(examples) + WEIGHTS_RESTRAINT * found)
    plain = found / spread
    scaled: Floats = np.concatenate([plain[:1], plain[1:] / plain[0]])
    return scaled


def _table(example: Example) -> Any:
    return np.column_stack([example.sources @ example.question, example.signs])


def _missed(fits: Any, example: Example) -> Any:
    """How much more likely each source is drawn than it should be."""
    drawn = np.exp(SHARPNESS * (fits - fits.max()))
    drawn /= drawn.sum()
    right = drawn * example.right
    return drawn - right / max(right.sum(), 1e-9)


class _Adam:
    """Steps along a slope, longer where it keeps its direction and shorter where it is uneven."""

    def __init__(self, shape: tuple[int, ...], rate: float) -> None:
        self.rate, self.steps = rate, 0
        self.mean, self.square = np.zeros(shape), np.zeros(shape)

    def step(self, slope: Any) -> Any:
        self.steps += 1
        self.mean = 0.9 * self.mean + 0.1 * slope
        self.square = 0.99 * self.square + 0.01 * slope * slope
        mean = self.mean / (1 - 0.9**self.steps)
        square = self.square / (1 - 0.99**self.steps)
        return self.rate * mean / (np.sqrt(square) + 1e-8)


def _batches(examples: Iterable[Example]) -> Iterator[list[Example]]:
    order = list(examples)
    for start in range(0, len(order), BATCH):
        yield order[start : start + BATCH]
