"""The OpenAPI document: what FastAPI reads from the routes, and what is true of all of them."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from syncd.api.schemas import Problem

_PROBLEM = {"application/json": {"schema": {"$ref": f"#/components/schemas/{Problem.__name__}"}}}
_METHODS = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "trace"})
_TEXT = {"type": "string"}

_HEADERS: Mapping[str, Mapping[str, Any]] = {
    "X-Request-Id": {
        "description": "Names the request in the log; the one that was sent, where it is a fit name.",
        "required": True,
        "schema": _TEXT,
    },
    "WWW-Authenticate": {"description": "How to say who asks: `Bearer`.", "required": True, "schema": _TEXT},
    "Retry-After": {
        "description": "After how many seconds to try again, where that may help.",
        "schema": {"type": "integer", "minimum": 0},
    },
    "Link": {"description": 'The next page, with `rel="next"` (RFC 8288); none on the last page.', "schema": _TEXT},
    "ETag": {"description": "The version of the job, for `If-Match`.", "required": True, "schema": _TEXT},
    "Location": {"description": "Where the new resource is.", "required": True, "schema": _TEXT},
}

LOCATION = {"Location": {"$ref": "#/components/headers/Location"}}
"""The headers of an answer that says where something new is, for the description of a route."""


class Description:
    """Describes the routes of an app; made when it is first asked for, and then kept.

    Args:
        app: the app with all its routes.
    """

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._lock = threading.Lock()
        self._document: dict[str, Any] | None = None
        self._text = b""

    def document(self) -> dict[str, Any]:
        """Return the OpenAPI document."""
        with self._lock:
            if self._document is None:
                app = self._app
                document = get_openapi(title=app.title, summary=app.summary, version=app.version, routes=app.routes)
                self._document = _completed(document)
                self._text = json.dumps(document).encode()
            return self._document

    def text(self) -> bytes:
        """Return the document as JSON."""
        self.document()
        return self._text

    def methods(self, path: str) -> list[str]:
        """Return the methods that a path takes; those of a path that is written out go before those of a template."""
        paths = self.document()["paths"]
        fitting = [paths[path]] if path in paths else [item for name, item in paths.items() if _fits(name, path)]
        return sorted({method.upper() for item in fitting for method in item if method in _METHODS})


def _fits(template: str, path: str) -> bool:
    return re.fullmatch("[^/]+".join(map(re.escape, re.split(r"\{[^}]*\}", template))), path) is not None


def _completed(document: dict[str, Any]) -> dict[str, Any]:
    """Add what every route answers, and what pydantic leaves unsaid."""
    components = document["components"]
    components["headers"] = _HEADERS
    for name in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(name, None)
    for found in _objects(document):
        if "patternProperties" in found:
            # A key that does not match is refused; JSON Schema lets it pass unless that is said.
            found.setdefault("additionalProperties", False)
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method in _METHODS:
                _complete(path, method, operation)
    return document


def _complete(path: str, method: str, operation: dict[str, Any]) -> None:
    for parameter in operation.get("parameters", ()):
        _without_null(parameter["schema"])
    answers = operation["responses"]
    if "HTTPValidationError" in json.dumps(answers.get("422", "")):
        del answers["422"]
    for status, description in list(_refusals(path, method, operation)):
        answers.setdefault(status, {"description": description, "content": _PROBLEM})
    operation["responses"] = {status: answers[status] for status in sorted(answers)}
    for status, answer in answers.items():
        headers = answer.setdefault("headers", {})
        for name in _headers(status, json.dumps(answer.get("content", ""))):
            headers.setdefault(name, {"$ref": f"#/components/headers/{name}"})


def _refusals(path: str, method: str, operation: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Name the answers that a route may give besides those that it describes itself."""
    parameters, body = operation.get("parameters", ()), "requestBody" in operation
    yield "403", "The request is another site's, or for another address, or the token does not go that far"
    yield "413", "The body is larger than 1 MiB"
    yield "500", "An error that syncd does not know; its log has the whole story"
    if "security" in operation:
        yield "401", "A token is needed, and there is no valid one with the request"
        yield "503", "Something that syncd needs does not work now"
    if "{" in path:
        yield "404", "There is nothing of that name or id"
    if body:
        yield "400", "The body cannot be read"
        yield "408", "The body did not come in time"
    # A route with a 400 of its own tells the faults of the body there.
    if (body and "400" not in operation["responses"]) or any(parameter["in"] != "path" for parameter in parameters):
        yield "422", "Something in the request is not as described; every fault is listed"
    if method != "get":
        yield "409", "It contradicts what is there"


def _headers(status: str, content: str) -> Iterator[str]:
    yield "X-Request-Id"
    if status == "401" and content == json.dumps(_PROBLEM):
        yield "WWW-Authenticate"
    if status == "503":
        yield "Retry-After"
    if status.startswith("2") and "/schemas/Listed_" in content:
        yield "Link"
    if status.startswith("2") and '/schemas/JobView"' in content:
        yield "ETag"


def _without_null(schema: dict[str, Any]) -> None:
    """Say of an optional parameter what it is when it is there: a URL or a header has no null."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    if len(kinds) == 1:
        del schema["anyOf"]
        schema.update(kinds[0])
    elif kinds:
        schema["anyOf"] = kinds


def _objects(node: object) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for value in list(node.values()):
            yield from _objects(value)
    elif isinstance(node, list):
        for value in node:
            yield from _objects(value)
