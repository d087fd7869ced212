"""The server does what its description says, whatever is sent: schemathesis makes the requests and the checks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from syncd.api.webhook_views import shown_run
from syncd.model.access import Scope
from syncd.webhooks import Deliverer, Sender

from .conftest import World, serving

ROOT = Path(__file__).parents[3]
SEED = os.environ.get("SYNCD_SCHEMA_SEED", "20260101")
EXAMPLES = os.environ.get("SYNCD_SCHEMA_EXAMPLES", "3")


@pytest.fixture
def world(world: World) -> World:
    """A world in which every kind of resource is there, and no name of another host leads anywhere."""

    def nowhere(host: str, _port: int) -> list[str]:
        raise OSError(f"{host} is not looked up")

    world.deliverer = Deliverer(world.state, Sender(find=nowhere), shown_run, world.clock)
    world.index.add("lamp", "one lamp", product="lamp")
    orders = world.job()
    world.job("items", source_table="shop.items")
    for _ in range(2):
        world.run(orders)
    world.enqueue(orders)
    hook = world.state.webhooks.add("receiver", "https://hooks.example.com", "s" * 40, world.now)
    world.deliverer.ping(hook.number)
    return world


@pytest.mark.parametrize("with_token", [True, False], ids=["with a token", "without tokens"])
def test_every_operation_keeps_to_its_description(world: World, with_token: bool) -> None:
    """All checks on all operations.

    Where no token is needed none can be made either, for it would close the door to all that comes after; nor can it
    be held against a route that it answers who sends none.
    """
    options = ["--phases", "examples,fuzzing,stateful", "--exclude-operation-id", "create_token_v1_tokens_post"]
    options += ["--exclude-checks", "ignored_auth", "--generation-with-security-parameters", "false"]
    secret = None
    if with_token:
        _, secret = world.state.tokens.create("schema", [Scope.ADMIN], world.now)
        options = ["--header", f"Authorization: Bearer {secret}", "--header", f"X-StorageApi-Token: {secret}"]
    program = [sys.executable, "-m", "schemathesis.cli", "--config-file", "tests/schema/schemathesis.toml", "run"]
    bounds = ["--seed", SEED, "--max-examples", EXAMPLES, "--no-color", "--no-shrink"]
    with serving(world) as server:
        done = subprocess.run(
            [*program, f"{server.url}/openapi.json", *bounds, *options],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
    told = done.stdout + done.stderr
    print(told)
    assert done.returncode == 0, told
    assert f"Seed: {SEED}" in told
    assert secret is None or world.state.tokens.find(secret, world.now), "the token was revoked on the way"
