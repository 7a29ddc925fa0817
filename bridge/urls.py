"""The four endpoints, without a trailing slash."""

from django.urls import path

from bridge import views

urlpatterns = [
    path("init", views.init, name="init"),
    path("messages", views.messages, name="messages"),
    path("send", views.send, name="send"),
    path("close", views.close, name="close"),
]
