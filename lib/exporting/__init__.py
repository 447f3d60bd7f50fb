"""Exporting a model with its endpoint.

::

    folder.py             the exported folder: server, model, requirements, README
    requirements.py       the pinned packages that the server and the model need
    model_packages.py     the packages that a model's pickle and code refer to
    readme.py             the README of the folder

`lib.serving.exported` is the program that serves the folder.
"""
