"""What is a HEAD answered with?"""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse


class HeadersAlone:
    """Answer HEAD as if it were GET, with the headers alone."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self._get_response(request)
        if request.method == "HEAD" and not response.streaming and response.content:
            response["Content-Length"] = str(len(response.content))
            response.content = b""
        return response
