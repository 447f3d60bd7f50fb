"""Stages: what is done, in what order, what is handed on. One file each, named like its notebook.

A stage asks its pipeline for what a use case may change (the hooks, stated in each file as a Protocol) and
its backend for everything that lives somewhere. It knows neither by class.
"""
