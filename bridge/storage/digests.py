"""What stands for a text that is not to be shown or kept?"""

import hashlib
import hmac

from django.conf import settings

DIGEST_LENGTH = 16  # hexadecimal digits


def digest(text: str) -> str:
    """Return a short keyed hash; only this deployment can make it again."""
    key = str(settings.SECRET_KEY).encode()
    keyed = hmac.new(key, text.encode(), hashlib.sha256)
    return keyed.hexdigest()[:DIGEST_LENGTH]
