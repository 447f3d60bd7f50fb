"""Reasons for answers: what each raw column of a row added to the model's score.

::

    finder.py       contributions of raw columns, and the largest ones of each row
    explainers.py   contributions of features: exact ones for trees, linear models and blends of trees
    tree_shap.py    exact Shapley values of trees
    tree_models.py  the trees of scikit-learn's models as arrays
    sampled.py      estimated contributions for any other model
"""
