"""What the API is: its description for programs, and a page for people to try it on."""

from __future__ import annotations

from importlib import resources

from fastapi import APIRouter, Response
from starlette.exceptions import HTTPException

from syncd.api.description import Description

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>syncd API</title>
<link rel="icon" href="/docs/favicon-32x32.png">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="api"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""

# Without validatorUrl the page would send the description's address to a service elsewhere.
_START = """SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#api",
  deepLinking: true,
  validatorUrl: null,
  persistAuthorization: false,
});
"""

_TYPES = {
    "favicon-32x32.png": "image/png",
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
}


def router(description: Description) -> APIRouter:
    """Return the routes of the description; they need no token, for they tell nothing about anybody's data."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/openapi.json")
    def openapi() -> Response:
        """Describe every route, as OpenAPI."""
        return Response(description.text(), media_type="application/json")

    @routes.get("/docs")
    def page() -> Response:
        """Show the description as a page that sends requests; each needs a token where the API asks for one."""
        return Response(_PAGE, media_type="text/html", headers={"Content-Security-Policy": _POLICY})

    @routes.get("/docs/start.js")
    def start() -> Response:
        """Start the page; a file of its own, so that no script inside a page needs to be allowed."""
        return Response(_START, media_type="text/javascript")

    @routes.get("/docs/{name}")
    def asset(name: str) -> Response:
        """Give one of the files that the page is made of."""
        if name not in _TYPES:
            raise HTTPException(404)
        file = resources.files("fastapi_swagger") / "resources" / name
        return Response(file.read_bytes(), media_type=_TYPES[name])

    return routes
