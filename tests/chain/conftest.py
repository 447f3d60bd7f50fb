"""Fixtures for the tests of the chain."""

import pytest

from tests.chain.small_notebooks import SmallChain


@pytest.fixture
def chain(tmp_path):
    """A chain of small notebooks; each test writes its own."""
    return SmallChain(tmp_path)
