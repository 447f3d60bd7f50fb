"""Checks of all modules in ``custom/``: their folders, names and imports."""

import difflib

from lib import catalogue, extensions
from lib.errors import MillraceError
from lib.metrics import custom
from lib.paths import display_path

# The catalogues that a folder of `custom` continues, and what an entry of each is called.
KINDS = {
    "lib.pipelines": "pipeline",
    "lib.training": "training function",
    "lib.features": "module of features",
    "lib.metrics": "metric",
    "lib.stages": "stage",
}


def list_extensions():
    """Return the customer's entries of all catalogues."""
    return [extension for package in KINDS for extension in extensions.find_extensions(package)]


def list_names(package):
    """Return the names of the customer's entries of a catalogue."""
    return [extension.name for extension in extensions.find_extensions(package)]


def find_folder_faults():
    """Return a message for each folder whose name resembles that of a catalogue, and which is therefore not found."""
    known = [package.removeprefix("lib.") for package in KINDS]
    faults = []
    folders = sorted(extensions.CUSTOM_FOLDER.iterdir()) if extensions.CUSTOM_FOLDER.is_dir() else []
    for folder in folders:
        similar = difflib.get_close_matches(folder.name, known, n=1, cutoff=0.75)
        if folder.is_dir() and similar and folder.name not in known:
            faults.append(
                f"{display_path(folder)}/ is not one of the folders in which entries are found. "
                f"Did you mean {similar[0]!r}? Known: {', '.join(known)}."
            )
    return faults


def find_faults(extension):
    """Return why an entry cannot be imported: its name is taken, or its module is faulty."""
    package = next(package for package in KINDS if extension in extensions.find_extensions(package))
    try:
        if package == "lib.metrics":
            custom.find(extension.name)
            extension.import_module()
        else:
            catalogue.load(package, extension.name, KINDS[package])
    except MillraceError as error:
        return [str(error)]
    return []
