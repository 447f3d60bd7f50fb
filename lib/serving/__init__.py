"""A model as a service: the local endpoint, with the same answers and the same errors as on Azure ML.

::

    server/            the processes of an endpoint: the router with its pages, and the workers
    deploying/         the commands of a deployment: deploy, shift traffic, roll back, stop, status
    keys.py            the two keys of an endpoint
    rollout.py         the new version's share of the traffic, and the limits that end its rollout
    process.py         processes that outlive the process that started them
    model_process.py   a process that runs a model on the code saved with it

A request goes to the router (`lib.serving.server.router`), which runs nothing of a model. It passes the request on to a
worker, a process that runs `lib.scoring` from the model's own ``code/`` folder.
"""
