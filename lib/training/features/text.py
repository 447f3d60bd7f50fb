"""Free-text columns: the weights of a few topics."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from threadpoolctl import threadpool_limits

from lib.schema.text_values import category_name

# Vocabulary and topics are learned from a sample of this size; more rows hardly change them.
SAMPLE_ROWS = 50_000
MAX_VOCABULARY = 5_000


class TextColumn:
    """Reader of a free-text column: the weights of topics (latent semantic analysis).

    Parameters
    ----------
    values : pandas.Series
        The training column.
    max_topics : int
        Maximum number of topics.
    seed : int
        Seed of the sample and of the decomposition.

    Raises
    ------
    ValueError
        If no word occurs in two rows.

    Examples
    --------
    >>> column = TextColumn(pd.Series(["late train", "late bus", "train and bus"]), max_topics=2, seed=0)
    >>> column.parts, column.to_floats(pd.Series(["late train", None])).shape
    (('topic_0', 'topic_1'), (2, 2))

    References
    ----------
    Deerwester et al. (1990), Indexing by latent semantic analysis. JASIS 41(6).
    """

    kind = "text"

    def __init__(self, values: pd.Series, max_topics: int, seed: int):
        texts = _to_texts(values.sample(min(len(values), SAMPLE_ROWS), random_state=seed))
        # The pattern includes single letters and digits, which distinguish "Flat 3 B" from "Flat 3 C". Words that occur
        # in one row only, such as order numbers, are dropped, because new rows do not contain them.
        self._vectorizer = TfidfVectorizer(
            token_pattern=r"(?u)\b\w+\b", min_df=2, max_features=MAX_VOCABULARY, sublinear_tf=True
        )
        word_weights = self._vectorizer.fit_transform(texts)
        self._topics = TruncatedSVD(min(max_topics, word_weights.shape[1]), random_state=seed)
        # With several threads, the last digits of the topics would depend on the machine's number of cores.
        with threadpool_limits(1, user_api="blas"):
            self._topics.fit(word_weights)
        self.parts = tuple(f"topic_{index}" for index in range(self._topics.n_components))

    def to_floats(self, values: pd.Series) -> np.ndarray:
        """Return topic weights, of shape (rows, topics); zeros for missing text."""
        return self._topics.transform(self._vectorizer.transform(_to_texts(values)))


def _to_texts(values: pd.Series) -> list[str]:
    """Return the values as texts; a missing value becomes an empty text."""
    is_missing = values.isna()
    return ["" if missing else category_name(value) for value, missing in zip(values, is_missing, strict=True)]
