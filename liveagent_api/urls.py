"""Which path leads where?"""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

urlpatterns = [
    path("", include("bridge.urls")),
    path("admin", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
]

handler400 = "bridge.views.bad_request"
handler403 = "bridge.views.forbidden"
handler404 = "bridge.views.not_found"
handler500 = "bridge.views.server_error"
