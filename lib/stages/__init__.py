"""The stages of a pipeline: one module per stage, named like its notebook.

A stage calls the pipeline's hooks for the steps that a use case may change, and the backend for stored data, models and
endpoints. It depends on neither class: each stage's module declares its hooks as a Protocol.
"""
