"""Millrace: five notebooks from a table to a served, audited model."""

import os

# OpenMP's threads spin while they wait for one another. On cores that others use too, a histogram model of 120 trees
# then takes 3 s for an answer that takes 0.04 s when they sleep. It is read once, when scikit-learn is first imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
