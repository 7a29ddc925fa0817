"""The four endpoints, their description and the metrics, without a trailing slash.

The probes are answered before any of these, by `middleware`.
"""

from django.urls import path

from bridge.api import views
from bridge.operations import health

urlpatterns = [
    path("init", views.init, name="init"),
    path("messages", views.messages, name="messages"),
    path("send", views.send, name="send"),
    path("close", views.close, name="close"),
    path("openapi.json", views.description, name="description"),
    path("metrics", health.prometheus, name="metrics"),
]
