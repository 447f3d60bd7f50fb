"""Contract tests over the customer's code in ``custom/``, with messages for its authors: ``make check-custom``.

The files are not named ``test_*.py``, so that ``make test`` leaves them out: faults in ``custom/`` are not Millrace's.
"""
