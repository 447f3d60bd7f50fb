"""Deploying to the local endpoint.

::

    endpoint.py        LocalEndpoint: deploy, shift traffic, roll back, stop
    router_process.py  the endpoint's router: found, started, or replaced by one with newer code
    deployments.py     a folder for each deployed version, with a verified copy of its model
    listener.py        the public port, bound before anything is started
    control_client.py  commands to a router
    status.py          the status of an endpoint
"""
