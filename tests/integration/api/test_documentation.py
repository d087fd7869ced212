"""The page that shows the API works without any network, and lets nothing else in."""

from __future__ import annotations

import re
import subprocess
from urllib.parse import urlsplit

import httpx

from syncd.model.access import Scope
from tests.services import program

from .conftest import World


def test_the_page_and_all_that_it_names_come_from_this_server(client: httpx.Client) -> None:
    page = client.get("/docs")
    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    named = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(named) == 4
    for path in named:
        assert urlsplit(path)[:2] == ("", ""), path
        asset = client.get(path)
        assert asset.status_code == 200, path
        assert asset.headers["Content-Type"].split(";")[0] in {"text/javascript", "text/css", "image/png"}
        assert asset.content
    assert "://" not in page.text


def test_the_styles_load_nothing_from_elsewhere(client: httpx.Client) -> None:
    styles = client.get("/docs/swagger-ui.css").text
    assert "@import" not in styles
    assert {address.strip("\"' ")[:5] for address in re.findall(r"url\(([^)]{5})", styles)} <= {"data:", "data"}


def test_the_page_may_run_its_own_scripts_and_ask_this_server_only(client: httpx.Client) -> None:
    page = client.get("/docs")
    policy = dict(part.split(" ", 1) for part in page.headers["Content-Security-Policy"].split("; "))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    assert not re.findall(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|javascript:", page.text)
    assert client.get("/docs/start.js").headers["Content-Security-Policy"].startswith("default-src 'none'")


def test_the_start_script_shows_the_description_and_sends_it_nowhere(client: httpx.Client) -> None:
    script = client.get("/docs/start.js").text
    assert "://" not in script
    assert "validatorUrl: null" in script
    path = re.search(r'url: "([^"]+)"', script)
    assert path is not None
    described = client.get(path[1])
    assert described.headers["Content-Type"] == "application/json"
    assert described.json()["openapi"].startswith("3.1")


def test_the_scripts_are_sound(client: httpx.Client) -> None:
    """A script that cannot be read would leave the page empty."""
    node = program("node", "nodejs")
    for name in ("swagger-ui-bundle.js", "start.js"):
        script = client.get(f"/docs/{name}").text
        done = subprocess.run([node, "--check", "-"], input=script, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_the_page_is_open_and_its_requests_are_not(client: httpx.Client, world: World) -> None:
    """Who has a token needs the page to give it to, so the page asks for none."""
    _, secret = world.state.tokens.create("reader", [Scope.JOBS_READ], world.now)
    for path in ("/docs", "/docs/start.js", "/docs/swagger-ui.css", "/openapi.json"):
        assert client.get(path).status_code == 200
    assert client.get("/v1/jobs").status_code == 401
    assert client.get("/v1/jobs", headers={"Authorization": f"Bearer {secret}"}).status_code == 200
    scheme = client.get("/openapi.json").json()["components"]["securitySchemes"]["token"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")


def test_only_the_page_s_own_files_are_given(client: httpx.Client) -> None:
    for name in ("index.html", "__init__.py", "..%2f..%2fmain.py", "%2e%2e/main.py", "swagger-ui.css.map"):
        assert client.get(f"/docs/{name}").status_code == 404, name
