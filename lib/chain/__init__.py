"""The chain: notebooks checked, executed by papermill in their order, and recorded.

Its heart is a dictionary: a notebook gets those entries that its parameters cell names, and what it hands on
is laid over the dictionary for the notebooks after it.
"""

from lib.deferred import defer_rfc3987

defer_rfc3987()  # before papermill is imported, which imports jsonschema
