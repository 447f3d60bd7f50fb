"""Secrets: parameters that name a secret instead of containing it, and the search for secrets in what a run writes.

`references` resolves ``env:NAME``, ``keyvault:NAME`` and ``${NAME}``. Each resolved value is remembered in
`known_values`, so that messages show the reference in its place. `redaction` finds the values, and credentials of
well-known forms, in texts.
"""
