"""A faster form of a model: arrays in, arrays out, without pandas and scikit-learn."""
