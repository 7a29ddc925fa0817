"""Where do pages run that use the database in Django's ordinary way?"""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from bridge.database import run_on_database_thread

ADMIN = "/admin/"


class PagesOnDatabaseThreads:
    """Run the admin's pages, with all middleware below, on a database thread.

    So they share the process's few connections with the chats instead of opening
    their own. The four endpoints stay outside: they hold no connection while they
    wait.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info.startswith(ADMIN):
            return run_on_database_thread(self._get_response, request)
        return self._get_response(request)
