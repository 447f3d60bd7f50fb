"""Checks of stages: notebook and module belong together, and the notebook keeps the rules of a chain."""

from lib import extensions
from lib.chain import contracts, notebooks, own_stages
from lib.chain.notebooks import USE_CASE
from lib.errors import MillraceError
from lib.paths import display_path


def list_names():
    """Return the names of all notebooks and modules in ``custom/stages``."""
    modules = [extension.name for extension in extensions.find_extensions(own_stages.PACKAGE) if extension.file]
    return sorted({*modules, *(path.stem for path in own_stages.folder().glob("*.ipynb"))})


def find_faults(name):
    """Return a message for each rule that a stage breaks."""
    path = own_stages.folder() / f"{name}.ipynb"
    if not path.is_file():
        return [f"{display_path(path.with_suffix('.py'))} has no notebook {display_path(path)}, which calls it."]
    bundled = notebooks.read_all()
    placement = {"after_deploy": [name]}
    try:
        chain = own_stages.read_chain(placement)
    except MillraceError as error:
        return [str(error)]
    faults = own_stages.find_placement_faults(placement, bundled)
    if faults:
        return faults
    notebook = chain[-1]
    if USE_CASE not in notebook.parameters:
        faults.append(
            f"{display_path(path)}: the parameters cell needs use_case and overrides, and opens the pipeline."
        )
    known = {output for other in bundled for output in other.outputs}
    others = [other for other in list_names() if other != name]
    found = contracts.find_notebook_faults(chain)
    # An input may come from another of the customer's stages, whose place only the parameter file knows.
    own_outputs = known | {output for other in others for output in _outputs_of(other)}
    return faults + [fault for fault in found if not any(f"parameter {output}." in fault for output in own_outputs)]


def _outputs_of(name):
    try:
        return own_stages.read_chain({"after_deploy": [name]})[-1].outputs
    except MillraceError:
        return ()
