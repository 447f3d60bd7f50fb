"""Bit masks over the bytes of a text, 64 positions per word, lowest bit first.

References
----------
Langdale and Lemire, "Parsing gigabytes of JSON per second", The VLDB Journal, 2019: quoted regions are the running
parity of the quotes (https://arxiv.org/abs/1902.08318).
"""

from __future__ import annotations

import numpy as np


def pack_mask(mask: np.ndarray) -> np.ndarray:
    """Pack booleans into 64-bit words, one bit each.

    Parameters
    ----------
    mask : ndarray of bool, shape (n,)

    Returns
    -------
    ndarray of uint64, shape (ceil(n / 64),)

    Examples
    --------
    >>> pack_mask(np.array([True, False, True])).tolist()
    [5]
    """
    words = np.zeros(-(-len(mask) // 64), dtype=np.uint64)
    words.view(np.uint8)[: -(-len(mask) // 8)] = np.packbits(mask, bitorder="little")
    return words


def count_set_bits(words: np.ndarray) -> int:
    """Return the number of set bits in all words."""
    return int(np.bitwise_count(words).sum())


def running_parity(words: np.ndarray) -> np.ndarray:
    """Return, for each bit, whether the number of set bits up to and including it is odd.

    Applied to the positions of quotes, the result marks the quoted regions, opening quotes included.

    Examples
    --------
    >>> f"{running_parity(np.array([0b0010010], dtype=np.uint64))[0]:064b}"[-7:]
    '0001110'
    """
    parity = words.copy()
    for shift in (1, 2, 4, 8, 16, 32):
        parity ^= parity << np.uint64(shift)
    # The highest bit of a word is the word's parity. A word that follows an odd number of set bits is inverted.
    word_is_odd = parity >> np.uint64(63)
    follows_odd = np.bitwise_xor.accumulate(word_is_odd)[:-1]
    parity[1:] ^= np.uint64(0) - follows_odd  # 0 - 1 wraps around to 64 set bits
    return parity
