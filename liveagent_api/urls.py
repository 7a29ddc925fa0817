"""Which path leads where?"""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

urlpatterns = [
    path("", include("bridge.api.urls")),
    path("admin", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
]

handler400 = "bridge.api.errors.bad_request"
handler403 = "bridge.api.errors.forbidden"
handler404 = "bridge.api.errors.not_found"
handler500 = "bridge.api.errors.server_error"
