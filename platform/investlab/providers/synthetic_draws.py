"""Reproducible draws: the same numbers on every machine and with every version of numpy.

Only the raw stream of PCG64 is used, which numpy promises to keep, and arithmetic that rounds in one way everywhere:
no transcendental function, no sum whose order may differ. Its shaped distributions numpy may change.
"""

import hashlib

import numpy as np

QUARTER_BITS = 16
QUARTER_MASK = np.uint64(0xFFFF)
QUARTER_RANGE = float(1 << QUARTER_BITS)
UNIT = 2.0**-53
NORMAL_MEAN = 2.0 * (QUARTER_RANGE - 1.0)
NORMAL_DEVIATION = 37837.22715
"""Standard deviation of a sum of four 16-bit integers: √(4 · (65536² − 1) / 12)."""


class Draws:
    """A stream of draws that belongs to a seed and a path of names and numbers; equal paths give equal draws."""

    def __init__(self, seed: int, *path: str | int) -> None:
        words = [seed, *(_word(part) for part in path)]
        self._bits = np.random.PCG64(np.random.SeedSequence(words))

    def uniform(self, number: int) -> np.ndarray:
        """Return numbers in [0, 1)."""
        values: np.ndarray = (self._bits.random_raw(number) >> np.uint64(11)) * UNIT
        return values

    def normal(self, number: int) -> np.ndarray:
        """Return numbers of mean 0 and deviation 1 that are nearly normal: sums of four uniforms, within ±3.47."""
        first, second, third, fourth = self._quarters(number)
        values: np.ndarray = (first + second + third + fourth - NORMAL_MEAN) / NORMAL_DEVIATION
        return values

    def four_uniforms(self, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return four independent arrays of coarse numbers in [0, 1), 16 bits each."""
        first, second, third, fourth = self._quarters(number)
        scale = 1.0 / QUARTER_RANGE
        return first * scale, second * scale, third * scale, fourth * scale

    def shuffled(self, number: int) -> list[int]:
        """Return 0 … number − 1 in random order."""
        order: list[int] = np.argsort(self._bits.random_raw(number), kind="stable").tolist()
        return order

    def between(self, least: float, most: float) -> float:
        """Return one number in [least, most)."""
        return float(least + (most - least) * self.uniform(1)[0])

    def whole(self, least: int, most: int) -> int:
        """Return one whole number from `least` to `most`, both included."""
        return min(int(self.between(least, most + 1)), most)

    def _quarters(self, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        words = self._bits.random_raw(number)
        first, second, third = (
            ((words >> np.uint64(QUARTER_BITS * place)) & QUARTER_MASK).astype(np.float64) for place in (0, 1, 2)
        )
        return first, second, third, (words >> np.uint64(QUARTER_BITS * 3)).astype(np.float64)


def _word(part: str | int) -> int:
    if isinstance(part, int):
        return part
    return int.from_bytes(hashlib.sha256(part.encode()).digest()[:8], "big")
