"""What the tests of the chain share."""

import pytest

from tests.chain.small_notebooks import SmallChain


@pytest.fixture
def chain(tmp_path):
    """A chain of small notebooks, which each test writes for itself."""
    return SmallChain(tmp_path)
