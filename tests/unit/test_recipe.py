"""How an embedder was made is written down without secrets, and read again with today's."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, SecretStr

from syncd.config.settings import Kind, PartConfig
from syncd.errors import PermanentError
from syncd.recipe import config_of, recipe_of

CANARY = "canary-secret"


class Remote(BaseModel):
    """Options of an embedder on another machine."""

    model: str
    url: str | None = None
    batch: int = 8
    api_key: SecretStr | None = None
    proxy: str | None = None
    headers: dict[str, Any] = {}
    fallbacks: list[str] = []


def options_for(kind: Kind, type_: str) -> type[BaseModel]:
    assert kind == "embedder"
    return {"remote": Remote, "another": Remote}[type_]


def config(type_: str = "remote", **options: Any) -> PartConfig:
    return PartConfig("embedder", type_, Remote.model_validate(options))


def test_no_secret_is_written_down() -> None:
    """Neither a secret field nor a URL's password, however deep it is (invariant 10)."""
    written = recipe_of(
        config(
            model="m",
            api_key=CANARY,
            proxy=f"http://me:{CANARY}@proxy:1",
            headers={"x": SecretStr(CANARY), "y": {"url": f"http://h/?token={CANARY}"}, "z": 1},
            fallbacks=[f"http://me:{CANARY}@other", "http://plain"],
        )
    )
    assert CANARY not in written
    assert written == (
        '["remote", {"model": "m", "batch": 8, "headers": {"y": {}, "z": 1}, "fallbacks": ["http://plain"]}]'
    )


def test_it_is_made_again_with_the_secrets_of_today() -> None:
    """As long as the configuration has an embedder of the same type."""
    made = config_of(recipe_of(config(model="old", api_key="then")), config(model="new", api_key="now"), options_for)
    assert made == config(model="old", api_key="now")
    made = config_of(
        recipe_of(config(model="old", api_key="then")), config("another", model="new", api_key="now"), options_for
    )
    assert made == config(model="old")


def test_a_secret_is_not_taken_to_another_address() -> None:
    """The key of the server that the configuration names now is not for the one that it named before."""
    old = config(model="old", url="https://then", api_key="then")
    for url, key in (("https://then", "now"), ("https://now", None)):
        made = config_of(recipe_of(old), config(model="new", url=url, api_key="now"), options_for)
        assert made == config(model="old", url="https://then", api_key=key)


@pytest.mark.parametrize(
    ("recipe", "reason"), [("", "how it was made is not known"), ('["remote", {"model": 3}]', "not valid any more")]
)
def test_one_that_cannot_be_made_says_why(recipe: str, reason: str) -> None:
    """An old record, or options that a newer version of its type refuses."""
    with pytest.raises(PermanentError, match=reason):
        config_of(recipe, config(model="new"), options_for)
