"""Where some signs stand in a text, as bits: 64 places to a word, the first the lowest.

References
----------
Langdale and Lemire: Parsing gigabytes of JSON per second. The VLDB Journal 2019 (quoted parts by the parity of quotes).
"""

from __future__ import annotations

import numpy as np

_LAST = np.uint64(63)


def words(places: np.ndarray) -> np.ndarray:
    """Truths of shape (signs,) as bits, of shape (signs / 64, rounded up)."""
    packed = np.zeros(-(-len(places) // 64), dtype=np.uint64)
    packed.view(np.uint8)[: -(-len(places) // 8)] = np.packbits(places, bitorder="little")
    return packed


def count(bits: np.ndarray) -> int:
    """How many are set."""
    return int(np.bitwise_count(bits).sum())


def between(marks: np.ndarray) -> np.ndarray:
    """Places behind an odd number of marks, that of the mark included: what opening and closing ones enclose."""
    parity = marks.copy()
    for places in (1, 2, 4, 8, 16, 32):
        parity ^= parity << np.uint64(places)
    parity[1:] ^= np.uint64(0) - np.bitwise_xor.accumulate(parity >> _LAST)[:-1]
    return parity
