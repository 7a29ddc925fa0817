"""How are owners, customers and moments told apart?

Tokens name who holds a lease or a claim, digests stand for what must not be shown
or kept, and moments are counted on the database's clock, the only one that all
processes share.
"""

import hashlib
import hmac
import secrets
from datetime import timedelta

from django.conf import settings
from django.db.models import Expression
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Now

DIGEST_LENGTH = 16  # hexadecimal digits


def new_token() -> int:
    """Return a number that nobody else has drawn."""
    return secrets.randbits(62) + 1


def digest(text: str) -> str:
    """Return a short keyed hash; only this deployment can make it again."""
    key = str(settings.SECRET_KEY).encode()
    keyed = hmac.new(key, text.encode(), hashlib.sha256)
    return keyed.hexdigest()[:DIGEST_LENGTH]


def from_now(seconds: float) -> Expression | CombinedExpression:
    """Return the moment `seconds` from now, on the database's clock."""
    return Now() + timedelta(seconds=seconds)
