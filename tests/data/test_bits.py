"""Places as bits, 64 a word, against the same on plain truths."""

import numpy as np
import pytest

from lib.data import bits

LENGTHS = (1, 2, 63, 64, 65, 128, 1000)


def unpacked(packed, length):
    return np.unpackbits(packed.view(np.uint8), bitorder="little")[:length].astype(bool)


@pytest.mark.parametrize("length", LENGTHS)
def test_words_hold_each_place_and_nothing_behind_the_last(length):
    places = np.random.default_rng(length).random(length) < 0.3
    packed = bits.words(places)
    assert len(packed) == -(-length // 64) and bits.count(packed) == places.sum()
    assert (unpacked(packed, length) == places).all()


@pytest.mark.parametrize("length", LENGTHS)
def test_between_marks_is_where_an_odd_number_has_come(length):
    marks = np.random.default_rng(length).random(length) < 0.1
    assert (unpacked(bits.between(bits.words(marks)), length) == np.cumsum(marks) % 2).all()
