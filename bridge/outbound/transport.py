"""How do requests leave this process?

One `requests.Session` with one TLS context and kept connections for everything
outbound: a context of its own for each connection would cost about a megabyte
and 20 ms of processor time each. A call may be cut short by another thread,
which is how a long poll ends before Salesforce answers it.
"""

import math
import os
import socket
import threading
import time
from contextvars import ContextVar
from http.cookiejar import DefaultCookiePolicy
from ssl import SSLContext
from typing import Any, Self, cast

import certifi
import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.poolmanager import PoolManager
from urllib3.util.retry import Retry
from urllib3.util.ssl_ import create_urllib3_context

from bridge.outbound.errors import CallCancelled

# Kept idle connections per host; with one poll a chat this is a number of chats.
KEPT_CONNECTIONS = 10_000

current_call: ContextVar["Call | None"] = ContextVar("current_call", default=None)


class Call:
    """One exchange that another thread may cut short.

    `deadline` (monotonic seconds) is when the supervisor does so: a time-out counts
    from byte to byte, and an answer that trickles would never meet it.
    """

    def __init__(self, deadline: float = math.inf) -> None:
        self._lock = threading.Lock()
        self._connection: HTTPConnection | None = None
        self.deadline = deadline
        self.cancelled = False

    def __enter__(self) -> Self:
        with _under_way_lock:
            _under_way.add(self)
        return self

    def __exit__(self, *error: object) -> None:
        with _under_way_lock:
            _under_way.discard(self)
        self.detach()

    def attach(self, connection: HTTPConnection) -> None:
        """Remember the connection in use; raises CallCancelled if it is too late."""
        with self._lock:
            if self.cancelled:
                raise CallCancelled("the call was cut short")
            self._connection = connection

    def detach(self) -> None:
        """Forget the connection: it goes back to the pool, for others to use."""
        with self._lock:
            self._connection = None

    def cancel(self) -> None:
        """Close the connection under the waiting thread, which then gets an error."""
        with self._lock:
            self.cancelled = True
            sock = getattr(self._connection, "sock", None)
            if sock is not None:
                _hang_up(sock)


_under_way: set[Call] = set()
_under_way_lock = threading.Lock()


def cut_overdue() -> None:
    """Cut the calls that have outlived their deadline."""
    now = time.monotonic()
    with _under_way_lock:
        overdue = [call for call in _under_way if call.deadline < now]
    for call in overdue:
        call.cancel()


def _hang_up(sock: socket.socket) -> None:
    """Shut the connection down by a second handle on it.

    The reader's own socket object, perhaps in the middle of TLS, is not touched.
    """
    try:
        with socket.socket(fileno=os.dup(sock.fileno())) as handle:
            handle.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # it was closed already


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
