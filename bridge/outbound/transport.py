"""How do requests leave this process?

One `requests.Session` with one TLS context and kept connections for everything
outbound: a context of its own for each connection would cost about a megabyte
and 20 ms of processor time each.
"""

import os
from http.cookiejar import DefaultCookiePolicy
from ssl import SSLContext
from typing import Any, cast

import certifi
import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.poolmanager import PoolManager
from urllib3.util.retry import Retry
from urllib3.util.ssl_ import create_urllib3_context

from bridge.outbound.calls import current_call

# Kept idle connections per host; with one poll a chat this is a number of chats.
KEPT_CONNECTIONS = 10_000


class _Attached:
    """A connection that tells the current call of itself."""

    def request(self, *args: Any, **kwargs: Any) -> None:
        self._tell()
        super().request(*args, **kwargs)  # type: ignore[misc]

    def connect(self) -> None:
        super().connect()  # type: ignore[misc]
        self._tell()  # there is a socket now, and it may be too late already

    def _tell(self) -> None:
        call = current_call.get()
        if call is not None:
            call.attach(cast(HTTPConnection, self))


class _HTTPConnection(_Attached, HTTPConnection):
    pass


class _HTTPSConnection(_Attached, HTTPSConnection):
    pass


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _HTTPConnection


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _HTTPSConnection


class SharedContextAdapter(HTTPAdapter):
    """An adapter whose connections share one TLS context, and never retry.

    A hidden repetition would be a second poll, which ends the chat, or a second
    POST nobody counted.
    """

    def __init__(self, context: SSLContext) -> None:
        self._context = context
        super().__init__(
            pool_connections=32,
            pool_maxsize=KEPT_CONNECTIONS,
            max_retries=Retry(0, read=False, redirect=0),
        )

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs, ssl_context=self._context)
        pools: PoolManager = self.poolmanager
        pools.pool_classes_by_scheme = {"http": _HTTPPool, "https": _HTTPSPool}

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        super().cert_verify(conn, url, verify, cert)  # type: ignore[no-untyped-call]
        # They are in the context; named here they would be loaded once more for
        # every connection.
        conn.ca_certs = conn.ca_cert_dir = None


def tls_context(ca_bundle: str = "") -> SSLContext:
    """Return a verifying context that trusts `ca_bundle`, a file or a folder.

    Without one it trusts the bundle that comes with certifi.
    """
    context = create_urllib3_context()
    if os.path.isdir(ca_bundle):
        context.load_verify_locations(capath=ca_bundle)
    else:
        context.load_verify_locations(cafile=ca_bundle or certifi.where())
    return context


def new_session(*, user_agent: str, ca_bundle: str = "") -> requests.Session:
    """Return a session that threads may share: nothing in it changes by use."""
    session = requests.Session()
    session.trust_env = False
    session.headers = {
        # Header values travel as bytes; a name may well be Japanese.
        "User-Agent": user_agent if user_agent.isascii() else user_agent.encode(),
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "Connection": "keep-alive",
    }
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    adapter = SharedContextAdapter(tls_context(ca_bundle))
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session
