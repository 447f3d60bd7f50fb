"""Reading of free text: the words that matter, and a few topics made of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from threadpoolctl import threadpool_limits

from lib.training.features.categories import as_word

# Vocabulary and topics settle long before a million rows, and splitting text into words is slow.
SAMPLE_ROWS = 50_000
VOCABULARY = 5_000


class TextColumn:
    """A column of free text, read as weights of topics (latent semantic analysis).

    Parameters
    ----------
    values : pandas.Series
        The training column.
    topics : int
        How many topics at the most.
    seed : int
        Of the sample and of the decomposition.

    Raises
    ------
    ValueError
        If no word is in two rows.

    References
    ----------
    Deerwester et al. (1990), Indexing by latent semantic analysis. JASIS 41(6).
    """

    kind = "text"

    def __init__(self, values: pd.Series, topics: int, seed: int):
        words = _words(values.sample(min(len(values), SAMPLE_ROWS), random_state=seed))
        # Single letters and digits count: in "Flat 3 B" they are what differs. A word of one row only
        # (an order number) is left out: the next row would have another one in its place.
        self._weights = TfidfVectorizer(
            token_pattern=r"(?u)\b\w+\b", min_df=2, max_features=VOCABULARY, sublinear_tf=True
        )
        weights = self._weights.fit_transform(words)
        self._topics = TruncatedSVD(min(topics, weights.shape[1]), random_state=seed)
        # The number of threads would change the last digits, and with them a tree.
        with threadpool_limits(1, user_api="blas"):
            self._topics.fit(weights)
        self.parts = tuple(f"topic_{number}" for number in range(self._topics.n_components))

    def read(self, values: pd.Series) -> np.ndarray:
        """Topic weights, shape (rows, topics); zeros where there is no text."""
        return self._topics.transform(self._weights.transform(_words(values)))


def _words(values: pd.Series) -> list[str]:
    return ["" if missing else as_word(value) for value, missing in zip(values, values.isna(), strict=True)]
