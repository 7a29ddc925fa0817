"""Is an answer of the service one that its OpenAPI document knows?

Stricter than the document: a key that it does not name is a fault here, though bots
are told that there may be further ones.
"""

import copy
import functools
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import requests
from jsonschema import Draft202012Validator, FormatChecker

Json = dict[str, Any]


@functools.cache
def document() -> Json:
    """Return the document as the service makes it."""
    from bridge.api import openapi

    return openapi.document()


def check(
    path: str, status: int, headers: Mapping[str, str], raw: bytes, method: str = "post"
) -> None:
    """Fail unless an answer with these `headers` (lower case) is described.

    A path that the document does not have is passed over.
    """
    item = document()["paths"].get(path)
    if item is None:
        return
    response = item[method]["responses"].get(str(status))
    assert response is not None, f"{path}: {status} is not described"
    response = _resolved(response)
    content_type = headers["content-type"].partition(";")[0]
    assert content_type in response["content"], f"{path}: {content_type}"
    for name, header in response.get("headers", {}).items():
        assert name.lower() in headers, f"{path}: {status} without {name}"
        _validate(header["schema"], headers[name.lower()])
    is_json = content_type == "application/json"
    value = json.loads(raw) if is_json else raw.decode()
    _validate(response["content"][content_type]["schema"], value)


def check_read(answer: requests.Response) -> None:
    """Fail unless the answer to a GET, or to what should be one, is described.

    Redirects are no answers, and those to HEAD have no body to be compared.
    """
    if answer.is_redirect or answer.request.method == "HEAD":
        return
    headers = dict(answer.headers.lower_items())
    path = urlsplit(answer.url).path
    check(path, answer.status_code, headers, answer.content, "get")


def _resolved(node: Json) -> Json:
    while "$ref" in node:
        name = node["$ref"].removeprefix("#/")
        node = functools.reduce(
            lambda found, key: found[key], name.split("/"), _closed()
        )
    return node


def _validate(schema: Json, value: object) -> None:
    whole = {**schema, "components": _closed()["components"]}
    Draft202012Validator(whole, format_checker=FormatChecker()).validate(value)


@functools.cache
def _closed() -> Json:
    """Return the document, each object with a list of keys closed for others."""
    closed = copy.deepcopy(document())
    nodes: list[Any] = [closed["components"]["schemas"]]
    while nodes:
        node = nodes.pop()
        if isinstance(node, dict):
            nodes.extend(node.values())
            if "properties" in node:
                node["additionalProperties"] = False
        elif isinstance(node, list):
            nodes.extend(node)
    return closed
