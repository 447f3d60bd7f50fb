"""Deploying to the local endpoint.

::

    endpoint.py        LocalEndpoint: deploy, shift traffic, roll back, stop
    restart.py         starting an endpoint by its folder alone, when the machine starts
    systemd_unit.py    a systemd unit that does so
    router_process.py  starting the endpoint's router, or replacing one that runs older code
    deployments.py     a folder for each deployed version, with a verified copy of its model
    request_log_settings.py  settings of the request log
    exclusive.py       the lock, so that only one process at a time changes the endpoint
    listener.py        the public port, bound before anything is started
    control_client.py  commands to a router
    status.py          the status of an endpoint
"""
