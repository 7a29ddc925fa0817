"""Who may call?"""

import hmac

from django.conf import settings
from django.http import HttpRequest

from bridge.domain.errors import Unauthorized

CHALLENGE = 'Bearer realm="liveagent-api"'


def authorize(request: HttpRequest) -> None:
    """Compare with every token that is valid, each in constant time.

    Raises Unauthorized; without BRIDGE_TOKEN everybody may call.
    """
    if not settings.BRIDGE_TOKENS:
        return
    scheme, _, given = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    matches = [
        hmac.compare_digest(given.strip().encode(), token.encode())
        for token in settings.BRIDGE_TOKENS
    ]
    if scheme.lower() != "bearer" or not any(matches):
        raise Unauthorized("the token is missing or wrong", field="Authorization")
