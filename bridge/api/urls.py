"""The four endpoints, their description and the metrics, without a trailing slash.

The probes are answered before any of these, by `probes.Probes`.
"""

from django.urls import path

from bridge.api import probes, views

urlpatterns = [
    path("init", views.init, name="init"),
    path("messages", views.messages, name="messages"),
    path("send", views.send, name="send"),
    path("close", views.close, name="close"),
    path("openapi.json", views.description, name="description"),
    path("metrics", probes.prometheus, name="metrics"),
]
