"""Which path leads to which view? None has a trailing slash.

The probes are answered before any of these, by `probes.Probes`.
"""

from django.urls import path

from bridge.api import openapi, probes, views

urlpatterns = [
    path(view.path.removeprefix("/"), view)
    for view in (*views.ENDPOINTS, openapi.description, probes.prometheus)
]
