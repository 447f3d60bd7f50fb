"""A faster, exact equivalent of a model.

::

    form.py       the fast model: an encoder on NumPy arrays, then the last step
    build.py      building a fast model, and comparing its answers with the model's
    boosting.py   a histogram gradient boosting without scikit-learn
    calibrated.py the last step of a model with calibrated probabilities
    trees.py      the trees of a gradient boosting as bit masks
    file.py       writing a fast model into the model's folder, and reading it
"""
