"""Packed bit masks, compared with the same operations on boolean arrays."""

import numpy as np
import pytest

from lib.tables.detect import bit_masks

LENGTHS = (1, 2, 63, 64, 65, 128, 1000)


def unpack(words, length):
    return np.unpackbits(words.view(np.uint8), bitorder="little")[:length].astype(bool)


@pytest.mark.parametrize("length", LENGTHS)
def test_packed_words_hold_each_bit_and_zero_padding(length):
    mask = np.random.default_rng(length).random(length) < 0.3
    words = bit_masks.pack_mask(mask)
    assert len(words) == -(-length // 64) and bit_masks.count_set_bits(words) == mask.sum()
    assert (unpack(words, length) == mask).all()


@pytest.mark.parametrize("length", LENGTHS)
def test_running_parity_counts_set_bits_modulo_two(length):
    mask = np.random.default_rng(length).random(length) < 0.1
    assert (unpack(bit_masks.running_parity(bit_masks.pack_mask(mask)), length) == np.cumsum(mask) % 2).all()
