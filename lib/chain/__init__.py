"""The chain: checks the notebooks, executes them in order with papermill, and records the run.

All values of a run live in one dictionary. Each notebook gets the entries that its parameters cell names, and its
outputs are merged into the dictionary for the notebooks after it.
"""

from lib.deferred import defer_rfc3987

defer_rfc3987()  # before papermill is imported, which imports jsonschema
