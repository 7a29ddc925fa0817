"""The app's registration with Django."""

from django.apps import AppConfig


class BridgeConfig(AppConfig):
    """Chats between LINE customers and Salesforce agents."""

    name = "bridge"
    verbose_name = "Liveagent API"
