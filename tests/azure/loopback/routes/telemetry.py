"""Application Insights: telemetry is accepted and discarded."""

from ..messages import Call, Reply, reply
from ..routing import Routes

collector = Routes("dc.services.visualstudio.com")
global_collector = Routes("dc.applicationinsights.azure.com")
regional_collector = Routes("{region}.in.applicationinsights.azure.com")
live_metrics = Routes("{region}.livediagnostics.monitor.azure.com")
settings = Routes("settings.sdk.monitor.azure.com")
machine = Routes("169.254.169.254")


@collector.on("POST", "/v2/track", "/v2.1/track")
@global_collector.on("POST", "/v2/track", "/v2.1/track")
@regional_collector.on("POST", "/v2/track", "/v2.1/track")
def track(azure, call: Call, region: str = "") -> Reply:
    return reply({"itemsReceived": 1, "itemsAccepted": 1, "errors": []})


@live_metrics.on("POST", "/{path:path}")
def nobody_watches(azure, call: Call, region: str, path: str) -> Reply:
    return Reply(200, headers={"x-ms-qps-subscribed": "false"})


@settings.on("GET", "/{path:path}")
def no_settings(azure, call: Call, path: str) -> Reply:
    return reply({"settings": {}})


@machine.on("GET", "/metadata/instance/compute")
def no_machine_of_azures(azure, call: Call) -> Reply:
    return Reply(404)
