"""A container image of an exported folder, as an archive in the OCI image layout; no Docker is needed.

::

    build.py           the layers and the configuration of the image
    layer.py           a layer: a compressed tar archive whose bytes depend on its contents only
    staging.py         the installed packages and the Python of this machine
    shared_libraries.py  the system libraries that they need
    base_image.py      an image with Python that the layers are put on, instead of this machine's Python
    archive.py         the archive

https://github.com/opencontainers/image-spec
"""
