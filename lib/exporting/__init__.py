"""Exporting a model with its endpoint: a folder, and a container image of it.

::

    folder.py             the exported folder: server, model, requirements, README
    requirements.py       the pinned packages that the server and the model need
    model_packages.py     the packages that a model's pickle and code refer to
    readme.py             the README of the folder
    image/                the container image, an archive in the OCI image layout

`lib.serving.exported` is the program that serves the folder.
"""
