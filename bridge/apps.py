"""The app's registration with Django."""

from django.apps import AppConfig


class BridgeConfig(AppConfig):
    """Chats between LINE customers and Salesforce agents."""

    name = "bridge"
    verbose_name = "Liveagent API"

    def ready(self) -> None:
        """Register the checks of `manage.py check --deploy`."""
        from bridge.operations import checks  # noqa: F401  (not before the apps are there)
