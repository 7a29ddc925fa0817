"""How do requests leave this process?

One `requests.Session` with one TLS context and kept connections for everything
outbound: a context of its own for each connection would cost about a megabyte
and 20 ms of processor time each.
"""

import os
import socket
from contextlib import ExitStack
from http.cookiejar import DefaultCookiePolicy
from ssl import SSLContext
from typing import Any

import certifi
import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError
from urllib3.poolmanager import PoolManager
from urllib3.util.retry import Retry
from urllib3.util.ssl_ import create_urllib3_context

from bridge.outbound import dns
from bridge.outbound.calls import Call, current_call

# Kept idle connections per host; with one poll a chat this is a number of chats.
KEPT_CONNECTIONS = 10_000


class _Connection(HTTPConnection):
    """A connection that the current call can be cut on, from its beginning."""

    _call: Call | None = None

    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is None:
            self.connect()
        self._serve(self.sock)
        if self._call is not None and not self._call.begin():
            raise ConnectTimeoutError(self, "connected too late")
        super().request(*args, **kwargs)

    def connect(self) -> None:
        with ExitStack() as self._handles:
            try:
                super().connect()
            except TimeoutError as exc:  # of TLS: no request has been sent
                raise ConnectTimeoutError(self, "no TLS in time") from exc

    def _new_conn(self) -> socket.socket:
        """Connect to the first address that answers, each within the time-out."""
        failure: Exception = NewConnectionError(self, "no address")
        try:
            for found in dns.addresses(self._dns_host, self.port, self.timeout):
                try:
                    return self._dial(*found)
                except TimeoutError:
                    failure = ConnectTimeoutError(self, "no connection in time")
                except OSError as exc:
                    failure = NewConnectionError(self, f"no connection: {exc}")
        except TimeoutError:
            failure = ConnectTimeoutError(self, "not found in time")
        except (OSError, UnicodeError) as exc:
            failure = NewConnectionError(self, f"not found: {exc}")
        raise failure

    def _dial(
        self, family: int, kind: int, protocol: int, _: str, address: Any
    ) -> socket.socket:
        sock = socket.socket(family, kind, protocol)
        try:
            for option in self.socket_options or ():
                sock.setsockopt(*option)
            sock.settimeout(self.timeout)
            # TLS takes the descriptor out of `sock`, and is busy with it for a while.
            self._serve(self._handles.enter_context(sock.dup()))
            sock.connect(address)
        except BaseException:
            sock.close()
            raise
        return sock

    def _serve(self, sock: socket.socket) -> None:
        self._call = current_call.get()
        if self._call is not None:
            self._call.attach(sock)

    def leave(self) -> None:
        """Be of no call any more."""
        if self._call is not None:
            self._call.detach()
            self._call = None


class _TLSConnection(_Connection, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection

    def _put_conn(self, conn: Any) -> None:
        """Take a connection back; cut from now on, it would be cut under another."""
        if conn is not None:
            conn.leave()
        super()._put_conn(conn)


class _TLSPool(_Pool, HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


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
        pools.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}

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
