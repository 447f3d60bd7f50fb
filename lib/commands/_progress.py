"""The progress of a long command, shown on terminals only."""

from __future__ import annotations

import sys
import threading
from types import TracebackType
from typing import TextIO

from tqdm import tqdm

DELAY_SECONDS = 2.0
_REFRESH_SECONDS = 0.5


class Progress:
    """A progress bar of named steps that appears once a command has taken longer than two seconds.

    Parameters
    ----------
    steps : int
        Number of steps.
    file : file object, optional
        Where to draw, by default stderr. The bar is drawn on terminals only.
    delay : float
        Seconds after which the bar appears.

    Examples
    --------
    >>> with Progress(steps=2) as progress:
    ...     progress.start_step("reading")
    ...     progress.start_step("writing")
    """

    def __init__(self, steps: int, file: TextIO | None = None, delay: float = DELAY_SECONDS):
        file = file or sys.stderr
        self._is_shown = file.isatty()
        bar_format = "{percentage:3.0f}%|{bar:20}| {desc} [{elapsed}]"
        self._bar = tqdm(total=steps, file=file, delay=delay, leave=False, bar_format=bar_format, disable=None)
        self._delay, self._started_steps = delay, 0
        self._is_done = threading.Event()
        self._thread = threading.Thread(target=self._refresh, daemon=True)

    def start_step(self, name: str) -> None:
        """Count all earlier steps as done, and show the name of the next step."""
        self._bar.set_description_str(name, refresh=False)
        self._bar.n = self._started_steps
        self._started_steps += 1

    def __enter__(self) -> Progress:
        if self._is_shown:
            self._thread.start()
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._is_done.set()
        if self._is_shown:
            self._thread.join()
        self._bar.close()

    def _refresh(self) -> None:
        """Redraw the bar twice a second, so that the elapsed time also advances during a long step."""
        if self._is_done.wait(self._delay):
            return
        while True:
            self._bar.refresh()
            if self._is_done.wait(_REFRESH_SECONDS):
                return
