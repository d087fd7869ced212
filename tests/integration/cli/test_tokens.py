"""`syncd tokens` says who may ask the API: the secret once and alone, the rest for people."""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.integration.cli.conftest import CONFIG, Call, Shop, Started


def listed(call: Call, *arguments: str) -> Any:
    """Return the tokens as `syncd tokens list` tells programs."""
    done = call("tokens", "list", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_token_is_made_listed_and_revoked(shop: Shop, call: Call) -> None:
    assert listed(call) == []
    assert not (shop.folder / "data").exists()
    limits = ("--job", "orders", "--job", "people", "--database", "shop", "--knowledge-base", "goods")
    made = call("tokens", "create", "web", "--scope", "kb:read", "--scope", "jobs:read", *limits, "--expires", "1 day")
    assert made.returncode == 0
    secret = made.stdout.strip()
    assert re.fullmatch(r"syncd_1_[A-Za-z0-9_-]{43}\n", made.stdout)
    assert "tok_1 web: jobs:read, kb:read" in made.stderr
    assert "every request to the API needs a token" in made.stderr
    assert secret not in made.stderr
    again = call("tokens", "create", "web", "--scope", "admin")
    assert (again.returncode, again.stdout) == (2, "")
    assert "already" in again.stderr

    [told] = listed(call)
    assert {name: told[name] for name in ("id", "status", "scopes", "jobs", "databases", "knowledge_bases")} == {
        "id": "tok_1",
        "status": "active",
        "scopes": ["jobs:read", "kb:read"],
        "jobs": ["orders", "people"],
        "databases": ["shop"],
        "knowledge_bases": ["goods"],
    }
    table = call("tokens", "list").stdout
    assert "job orders, people; database shop; knowledge base goods" in table
    assert "in 23 h" in table
    assert secret[8:] not in table

    assert call("tokens", "revoke", "web").returncode == 0
    assert listed(call) == []
    assert [token["status"] for token in listed(call, "--revoked")] == ["revoked"]
    gone = call("tokens", "revoke", "web")
    assert gone.returncode == 2
    assert "there is no token 'web'" in gone.stderr

    files = [file for file in (shop.folder / "data").iterdir() if file.is_file()]
    assert files
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert not [file for file in files if secret[8:].encode() in file.read_bytes()]


def test_what_cannot_be_made_is_your_input(call: Call) -> None:
    for arguments in (
        ("create", "web"),
        ("create", "web", "--scope", "everything"),
        ("create", "tok_1", "--scope", "admin"),
        ("create", "a\r\n\x1b[31mb", "--scope", "admin"),
        ("create", "web", "--scope", "admin", "--expires", "soon"),
        ("create", "web", "--scope", "admin", "--expires", "999999 WEEKS"),
        ("revoke", "web"),
    ):
        done = call("tokens", *arguments)
        assert (done.returncode, done.stdout) == (2, ""), arguments
        assert done.stderr
        assert "\x1b" not in done.stderr
        assert "Traceback" not in done.stderr


def test_a_daemon_that_runs_asks_for_a_token_as_soon_as_one_is_made(
    shop: Shop, call: Call, daemon_of: Callable[[Shop], Started], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And `syncd search` beside it gives the one in SYNCD_TOKEN."""
    daemon_of(shop)
    question = ("search", "goods", "article")
    assert call(*question).returncode == 0
    reader, other = (
        call("tokens", "create", scope.replace(":", "-"), "--scope", scope).stdout.strip()
        for scope in ("kb:read", "jobs:read")
    )
    asked = call(*question)
    assert asked.returncode == 2
    assert "asks for a token" in asked.stderr
    assert "SYNCD_TOKEN" in asked.stderr
    monkeypatch.setenv("SYNCD_TOKEN", reader)
    assert call(*question).returncode == 0
    monkeypatch.setenv("SYNCD_TOKEN", other)
    beyond = call(*question)
    assert beyond.returncode == 2
    assert "lacks kb:read" in beyond.stderr
    assert other not in beyond.stderr
    assert call("tokens", "revoke", "kb-read").returncode == 0
    monkeypatch.setenv("SYNCD_TOKEN", reader)
    assert call(*question).returncode == 2


def test_a_daemon_listens_everywhere_once_there_is_a_token(
    shop: Shop, call: Call, daemon_of: Callable[[Shop], Started]
) -> None:
    everywhere = CONFIG.format(url="sqlite:///shop.db").replace("{port: 0}", "{port: 0, host: 0.0.0.0}")
    shop.configure(everywhere)
    refused = call("run")
    assert refused.returncode == 3
    assert "syncd tokens create" in refused.stderr
    secret = call("tokens", "create", "me", "--scope", "jobs:read").stdout.strip()
    daemon_of(shop)
    jobs = json.loads((shop.folder / "data" / "kb.lock").read_text())["url"] + "/v1/jobs"
    asked = {"Host": "syncd.example", "Authorization": f"Bearer {secret}"}
    assert httpx.get(jobs, headers=asked, trust_env=False).status_code == 200
    assert httpx.get(jobs, headers={**asked, "Origin": "http://evil.example"}, trust_env=False).status_code == 403
    assert httpx.get(jobs, trust_env=False).status_code == 401
    assert call("tokens", "revoke", "me").returncode == 0
    assert httpx.get(jobs, trust_env=False).status_code == 401
