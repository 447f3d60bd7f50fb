"""Fixtures for the tests of the chain."""

import pytest

from tests.chain.small_notebooks import SmallChain


@pytest.fixture
def chain(tmp_path):
    """Return a chain without notebooks; each test writes its own small ones."""
    return SmallChain(tmp_path)
