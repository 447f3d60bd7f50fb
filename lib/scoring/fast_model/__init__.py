"""A faster, exact equivalent of a model: built from it, compared with it, and kept beside it.

::

    form.py       the fast model: an encoder on plain arrays, then the last step
    build.py      it is built from a model, and compared with it row by row
    boosting.py   a histogram gradient boosting without scikit-learn
    calibrated.py its probabilities, calibrated
    trees.py      its trees as bit masks
    file.py       it is written into the model's folder, and read from there
"""
