"""A class in AutoML's models that can be unpickled only in AutoML's image."""

import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder


class DataTransformer(BaseEstimator, TransformerMixin):
    """A transformer of any table into numbers."""

    def fit(self, frame: pd.DataFrame, target=None):
        numbers = [name for name in frame if pd.api.types.is_numeric_dtype(frame[name])]
        words = [name for name in frame if name not in numbers]
        encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2)
        self.columns_ = list(frame)
        self.transformer_ = make_column_transformer(
            (SimpleImputer(keep_empty_features=True), numbers), (make_pipeline(Words(), encoder), words)
        )
        self.transformer_.fit(frame)
        return self

    def transform(self, frame: pd.DataFrame):
        return self.transformer_.transform(frame[self.columns_])


class Words(BaseEstimator, TransformerMixin):
    """A transformer of any column into text."""

    def fit(self, frame, target=None):
        return self

    def transform(self, frame):
        return frame.astype("string").fillna("").astype(object)
