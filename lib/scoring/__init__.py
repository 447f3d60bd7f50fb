"""The code that travels with a model and turns a request's bytes, or a table's rows, into predictions.

A copy of this package is saved in every model's ``code/`` folder and sealed by the model's SHA-256, so that a model is
always served by the code it was tested with. Of ``lib``, it imports `lib.schema` only. The encoder of the model's
features (`lib.training.features`) is saved beside it.

Entry points::

    score.py           init() and run(), as Azure ML calls them
    worker.py          a worker of the local endpoint, forked by lib/forkserver
    batch.py           a process that scores the parts of a table, for `run_all.py score`
    wire_protocol.py   the messages between these processes and the router or command that started them

From a request to its answer::

    requests.py        bytes -> checked values by column, or an error that names row and column
    json_body.py       strict parsing of JSON, and the rows in it
    request_names.py   column names in another Unicode form than the model's
    records.py         a fast parser for the usual request
    columns.py         one input column of the model
    kinds.py           the basic types of columns: the values they accept, and the arrays they become
    schema_kinds.py    types refined by the table schema: dates, durations, categories, missing values
    request_error.py   the error a client gets
    value_warnings.py  warnings about values that the model has not seen
    reasons/           the columns that moved an answer most
    intervals.py       prediction intervals and sets of classes with a guaranteed coverage
    scorer.py          checked values -> predictions as JSON
    sklearn_model.py   the model as scikit-learn runs it
    feature_step.py    the customer's features, the first step of a model that has them
    fast_model/        a faster equivalent of the model
    synthetic_rows.py  rows for the comparison of the fast model with the model

The model's files::

    model_folder.py    the MLflow folder: its location, its SHA-256 and its code
    model.py           the model and its description, read without MLflow
    earlier_columns.py the columns of a model that an earlier release saved
"""
