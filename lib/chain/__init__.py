"""The chain: checks the notebooks, executes them in order with papermill, and records the run.

All values of a run live in one dictionary. Each notebook gets the entries that its parameters cell names. The
outputs that it publishes are merged into the dictionary for the later notebooks.
"""

from lib.deferred import defer_rfc3987

defer_rfc3987()  # before papermill is imported, which imports jsonschema
