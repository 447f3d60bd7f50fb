"""A model as a service: the same answers and the same refusals on a laptop and on Azure ML.

From the request inwards, each file one concern::

    score.py          init() and run(), the two functions Azure ML calls
    server.py         the local process: its sockets, its life, when it takes and leaves traffic
    app.py            the routes: score, health, ready, the pages
    keys.py           who may ask
    requests.py       bytes -> columns of values; everything that is not a table is refused
    columns.py        a column of values -> what the model was trained on; the rest is refused
    refusal.py        what is said to a request that cannot be answered
    scorer.py         columns -> predictions and probabilities -> plain JSON
    model_folder.py   the MLflow model folder: found, checked against its hash
    model.py          its model, loaded, with what the folder says about its columns
    openapi.py        the service, described from the model's signature
    pages.py          the page with the form and the API page, both without a network
    endpoint.py       LocalEndpoint: a new version beside the old, checked, then live
    deployment.py     one version of it: its folder, its process, the talk between the two
    listener.py       the public port, taken before anything is started
    process.py        a process that outlives its parent, and how to recognise it again

What runs inside the served process imports nothing else of `lib`, not even `lib.errors`: everything
outside this folder must be the code the model was trained with (`model_folder.use_code`).
"""
