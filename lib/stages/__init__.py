"""The stages of a pipeline: one module per stage, named like its notebook.

A stage calls the pipeline's hooks for the steps that a use case may change, and the backend for stored data, models and
endpoints. Stages do not import the pipeline classes: each stage's module declares the hooks it calls as a Protocol.
"""
