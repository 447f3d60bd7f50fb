"""The error of a gate that cannot be measured."""


class NotMeasuredError(Exception):
    """A gate cannot be measured; the message says why, as the end of a sentence."""
