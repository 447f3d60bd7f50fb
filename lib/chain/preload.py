"""What the process that kernels are forked from imports: the kernel's own modules, and what the notebooks need.

Importing this module imports `FIRST`, what the first stage needs. The rest follows just before the second fork, while
the first stage runs in a kernel that is there already. No thread is started and no file stays open that a fork would
break (a test trains with all cores in a forked kernel). Garbage is not looked for meanwhile: three thousand modules
make much to look at and none to throw away, and what is here at the end is frozen, so that no child touches, and so
copies, its pages.
"""

import gc
import importlib
import os
from collections.abc import Iterable
from contextlib import suppress

FIRST = (
    "concurrent.futures.thread",  # takes a lock at each fork, so it must be known before one begins
    "ipykernel.ipkernel",
    "ipykernel.kernelapp",
    "ipykernel.zmqshell",
    "lib.backends.local.backend",
    "lib.backends.tracking",
    "lib.pipelines.base",
    "lib.stages.setup",
    "matplotlib.pyplot",
    "matplotlib_inline.backend_inline",
    "mlflow.store.tracking.sqlalchemy_store",
    "pandas.io.formats.style",
    "scrapbook",
)
REST = (
    "lib.data.baseline",
    "lib.stages.automl",
    "lib.stages.deploy",
    "lib.stages.evaluate",
    "lib.stages.preprocess",
    "lib.stages.train",
    "mlflow.sklearn",
    "pyarrow.pandas_compat",
    "sklearn.ensemble",
    "sklearn.inspection",
    "sklearn.linear_model",
    "sklearn.pipeline",
    "sklearn.preprocessing",
    "xgboost",
)


def _import(names: Iterable[str]) -> None:
    gc.disable()
    for name in names:
        with suppress(ImportError):  # it fails again, and is told, in the notebook that needs it
            importlib.import_module(name)
    gc.freeze()
    gc.enable()


def _before_a_fork() -> None:
    _import(next(_at_forks, ()))


def _in_a_kernel() -> None:
    global _at_forks
    _at_forks = iter(())  # it has no kernels to fork


# pyarrow's allocator would start a thread.
os.environ.setdefault("JE_ARROW_MALLOC_CONF", "background_thread:false")
_import(FIRST)
_at_forks = iter([(), REST])
os.register_at_fork(before=_before_a_fork, after_in_child=_in_a_kernel)
