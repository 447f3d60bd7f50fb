"""A model as a service: the same answers and the same refusals on a laptop and on Azure ML.

From the request inwards, each file one concern::

    score.py          init() and run(), the two functions Azure ML calls
    router.py         the local process that holds the public port, and runs nothing of a model
    app.py            its routes: score, health, ready, the pages
    keys.py           who may ask
    traffic.py        which version answers: the stable one, and the new one's share, mirror and way back
    rollout.py        that share, and the limits that end it
    pool.py           the workers of a version: who answers next, and what becomes of a death
    loader.py         the process of a version, started and spoken to
    frames.py         bytes between the router and a worker
    worker.py         the process that has loaded a model, and the workers forked from it
    requests.py       bytes -> columns of values; everything that is not a table is refused
    records.py        the usual request, read in one go
    columns.py        a column of values -> what the model was trained on; the rest is refused
    moments.py        a date or time as a request brings it
    refusal.py        what is said to a request that cannot be answered
    scorer.py         columns -> predictions and probabilities -> plain JSON
    plain.py          the model itself, as scikit-learn runs it
    compiled.py       a faster form of it
    compiling.py      that form made, where it answers as the model itself
    compiled_file.py  and kept beside the model, so that no start waits for it
    drawn.py          rows that both are asked
    boosting.py       a gradient boosting without scikit-learn
    trees.py          its trees as bit masks
    model_folder.py   the MLflow model folder: found, checked against its hash
    model.py          its model, loaded, with what the folder says about its columns
    openapi.py        the service, described from the model's signature
    pages.py          the page with the form and the API page, both without a network
    keeper.py         what was asked and answered, handed on to be kept, or dropped
    recorder.py       and kept in Parquet files by a process of its own
    endpoint.py       LocalEndpoint: a new version beside the old, checked, then given its traffic
    routers.py        the router that is to have a new version, started if need be
    deployments.py    a folder for each version, with a copy of its model
    status.py         how an endpoint is, for people
    control.py        what its router is told, on a Unix socket
    line.py           the other end of that
    listener.py       the public port, taken before anything is started
    process.py        a process that outlives its parent, and how to recognise it again
    batch.py          a table's rows through the same checks and model

What runs beside a model (score.py, worker.py and below) imports nothing else of `lib`, not even `lib.errors`:
everything outside this folder must be the code the model was trained with (`model_folder.use_code`).
"""
