"""Millrace: five notebooks from a table to a served, audited model."""

import os

# OpenMP's threads spin while they wait for each other. On cores that are shared with other processes, a histogram
# model of 120 trees then needs 3 s for a prediction, and 0.04 s when its threads sleep instead. scikit-learn reads the
# variable once, when it is first imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
