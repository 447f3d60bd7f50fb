"""Application Insights, which the SDKs tell what they do: taken and thrown away."""

from ..messages import Call, Reply, reply
from ..routing import Routes

collector = Routes("dc.services.visualstudio.com")
global_collector = Routes("dc.applicationinsights.azure.com")
regional_collector = Routes("{region}.in.applicationinsights.azure.com")


@collector.on("POST", "/v2/track", "/v2.1/track")
@global_collector.on("POST", "/v2/track", "/v2.1/track")
@regional_collector.on("POST", "/v2/track", "/v2.1/track")
def track(azure, call: Call, region: str = "") -> Reply:
    return reply({"itemsReceived": 1, "itemsAccepted": 1, "errors": []})
