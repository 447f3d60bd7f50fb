"""What the process that kernels are forked from imports: the kernel's own modules, and what the notebooks need.

Importing this module does it. No thread is started and no file stays open that a fork would break (a test trains with
all cores in a forked kernel). Garbage is not looked for meanwhile: three thousand modules make much to look at and
none to throw away, and what is here at the end is frozen, so that no child touches, and so copies, its pages.
"""

import gc
import importlib
import os
from contextlib import suppress

MODULES = (
    "ipykernel.ipkernel",
    "ipykernel.kernelapp",
    "ipykernel.zmqshell",
    "lib.backends.local.backend",
    "lib.backends.tracking",
    "lib.pipelines.base",
    "lib.stages.automl",
    "lib.stages.deploy",
    "lib.stages.evaluate",
    "lib.stages.preprocess",
    "lib.stages.setup",
    "lib.stages.train",
    "matplotlib.pyplot",
    "matplotlib_inline.backend_inline",
    "mlflow.sklearn",
    "mlflow.store.tracking.sqlalchemy_store",
    "pandas.io.formats.style",
    "scrapbook",
    "sklearn.ensemble",
    "sklearn.inspection",
    "sklearn.linear_model",
    "sklearn.pipeline",
    "sklearn.preprocessing",
    "xgboost",
)

# pyarrow's allocator would start a thread.
os.environ.setdefault("JE_ARROW_MALLOC_CONF", "background_thread:false")

gc.disable()
for _name in MODULES:
    with suppress(ImportError):  # it fails again, and is told, in the notebook that needs it
        importlib.import_module(_name)
gc.freeze()
gc.enable()
