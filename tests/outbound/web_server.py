"""A web server in this process, plain or TLS, for the tests of the transport."""

import ssl
import threading
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from typing import NamedTuple

ANSWER = b'{"messages": [], "sequence": 3}'
PATIENCE = 10  # seconds for what should happen at once


class Seen(NamedTuple):
    """One request that has arrived."""

    method: str
    headers: Message
    address: tuple[str, int]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        server = self.server
        seen = Seen(self.command, self.headers, self.client_address)
        server.seen.append(seen)
        server.arrived.put(seen)
        if server.drops:
            self.close_connection = True
            return
        if server.holds:
            server.release.wait(60)
        self.send_response(server.status)
        self.send_header("Set-Cookie", "BrowserId=abc; path=/")
        for name, value in server.headers.items():
            self.send_header(name, value)
        self.write_body(
            [server.body] if isinstance(server.body, bytes) else server.body
        )

    def write_body(self, pieces):
        """Write the body in one of the three ways in which its end can be known."""
        framing = self.server.framing
        if framing == "length":
            length = self.server.length or len(self.server.body)
            self.send_header("Content-Length", str(length))
        elif framing == "chunked":
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Connection", "close")
        self.end_headers()
        for piece in pieces:
            is_chunk = framing == "chunked"
            self.wfile.write(
                b"%x\r\n%b\r\n" % (len(piece), piece) if is_chunk else piece
            )
            self.server.written += len(piece)
        if framing == "chunked":
            self.wfile.write(b"0\r\n\r\n")

    do_POST = do_DELETE = do_GET

    def log_message(self, *arguments):
        """Be quiet."""


class Server(ThreadingHTTPServer):
    """Answers, holds or drops what comes, and remembers it."""

    daemon_threads = True
    block_on_close = False
    holds = drops = False
    status, headers, body = 200, {}, ANSWER  # bytes, or pieces to be written one by one
    framing = "length"  # or "chunked", or "close"
    length = None  # of a body in pieces
    written = 0  # bytes of bodies

    def __init__(self, certificate=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen, self.arrived, self.release = [], Queue(), threading.Event()
        self.scheme = "http"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, certificate.with_name("key.pem"))
            self.socket = context.wrap_socket(self.socket, server_side=True)
            self.scheme = "https"

    @property
    def url(self):
        return f"{self.scheme}://127.0.0.1:{self.server_port}"

    @property
    def methods(self):
        return [each.method for each in self.seen]

    @property
    def connections(self):
        return len({each.address for each in self.seen})

    def handle_error(self, request, client_address):
        """Callers hang up here, that is what the tests are about."""


def serving(server):
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.release.set()
    server.shutdown()
    thread.join()
    server.server_close()
