"""Does an answer tell which product, in which version, has written it?"""

import http.client
import socket

import pytest

from tests.harness.service import Service

PRODUCTS = ("gunicorn", "gevent", "django", "whitenoise", "python", "wsgi")
TELLING = ("server", "via", "x-powered-by")

REQUESTS = {
    "an end": ("POST", "/messages", '{"line_id": "nobody"}', 200),
    "bad request": ("POST", "/messages", "{}", 400),
    "method": ("GET", "/init", None, 405),
    "nothing there": ("GET", "/nothing", None, 404),
    "admin": ("GET", "/admin/login/", None, 200),
    "redirect": ("GET", "/admin/", None, 302),
    "static": ("GET", "/static/admin/css/base.css", None, 200),
    "static head": ("HEAD", "/static/admin/css/base.css", None, 200),
    "no such static": ("GET", "/static/nothing.css", None, 404),
}
MALFORMED = {
    "no HTTP": b"nonsense\r\n\r\n",
    "no version": b"GET /\r\n\r\n",
    "header": b"GET / HTTP/1.1\r\nHost: a\r\nbad header\r\n\r\n",
    "length": b"POST /init HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
    "long line": b"GET /" + b"a" * 4200 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    "transfer": b"POST /init HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: x\r\n\r\n",
}


def assert_nameless(headers: list[tuple[str, str]]) -> None:
    for name, value in headers:
        assert name.lower() not in TELLING, (name, value)
        assert not any(product in value.lower() for product in PRODUCTS), (name, value)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"), REQUESTS.values(), ids=REQUESTS.keys()
)
def test_no_answer_names_a_product(
    service: Service, method: str, path: str, body: str | None, status: int
):
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)
    headers = {"content-type": "application/json"} if body else {}
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    response.read()
    connection.close()

    assert response.status == status
    assert response.getheader("date")
    assert_nameless(response.getheaders())


@pytest.mark.parametrize("request_", MALFORMED.values(), ids=MALFORMED.keys())
def test_what_is_not_http_learns_no_product_either(service: Service, request_: bytes):
    with socket.create_connection(("127.0.0.1", service.port), 30) as connection:
        connection.sendall(request_)
        answer = b""
        while part := connection.recv(65536):
            answer += part

    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    assert status.split()[1][0] in "45", status
    assert_nameless([tuple(line.split(":", 1)) for line in lines])
    assert not any(product in body.decode().lower() for product in PRODUCTS)
