"""The code that travels with a model: from a request's bytes, or a table's rows, to predictions.

A copy of this package is saved in every model's ``code/`` folder and sealed by the model's SHA-256, so that a model is
always served by the code it was tested with. It imports nothing of ``lib`` but `lib.schema`; the model's own features
(`lib.training.features`) lie beside it.

Entry points::

    score.py           init() and run(), as Azure ML calls them
    worker.py          a worker of the local endpoint, forked by lib/forkserver
    batch.py           a process that scores the parts of a table, for `run_all.py score`
    wire_protocol.py   the messages between these processes and the router or command that started them

From a request to its answer::

    requests.py        bytes -> checked values by column, or an error that names row and column
    request_names.py   column names in either Unicode form
    records.py         a fast parser for the usual request
    columns.py         one input column of the model
    kinds.py           the basic types of columns: the values they accept, and the arrays they become
    schema_kinds.py    the types as the table schema refines them: dates, durations, categories, missing values
    request_error.py   the error a client gets
    scorer.py          checked values -> predictions as JSON
    sklearn_model.py   the model as scikit-learn runs it
    fast_model/        a faster equivalent of it (form, build, file; trees and boosting)
    synthetic_rows.py  rows on which the fast model has to agree with the model

The model's files::

    model_folder.py    the MLflow folder: found, hashed, and its code
    model.py           the model and its description, read without MLflow
    earlier_columns.py the columns of a model that an earlier release saved
"""
