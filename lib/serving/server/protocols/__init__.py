"""The protocols in which clients may send rows to an endpoint, besides Millrace's own JSON.

::

    exchange.py          Millrace's own JSON, and what the other protocols have to translate
    open_inference.py    the Open Inference Protocol v2 of KServe, Triton and MLServer
    tensors.py           its tensors
    mlflow_scoring.py    the scoring protocol of ``mlflow models serve``
    csv_rows.py          CSV
    json_lines.py        NDJSON: one row per line, answered while it is being sent

The workers know Millrace's own JSON only, since their code was saved with the model.
"""
