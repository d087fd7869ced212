"""What a configuration says about an embedder behind HTTP."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from syncd.model.fields import Model

_VISIBLE = re.compile(r"[!-~]+")


class OpenAiOptions(Model):
    """Options of the `openai` embedder: any server, local or hosted, that answers `POST {url}/embeddings`."""

    url: str = Field(min_length=1, max_length=2048)
    """The server's address, to which `/embeddings` is added: `http://localhost:11434/v1`, `https://api.openai.com/v1`.
    The texts of your rows travel there."""

    model: str = Field(pattern=r"^[!-~]{1,256}$")
    """The model's name, as the server calls it."""

    key: SecretStr | None = None
    """What the server asks for; sent as `Authorization: Bearer`, to this address alone."""

    revision: str | None = Field(default=None, pattern=r"^[A-Za-z0-9._-]{1,128}$")
    """A word of yours for the model's version. Change it when the server's model changes under the same name: without
    it, vectors of two models would meet unnoticed."""

    dimensions: int | None = Field(default=None, ge=1, le=65_536)
    """How many numbers a vector shall have, for a model that can shorten it; asked of the server. Default: the model's
    own number."""

    max_tokens: int = Field(default=512, ge=16, le=1_000_000)
    """The longest text, in tokens, that the model reads whole; longer ones are cut before they are sent."""

    tokenizer: str | None = Field(default=None, min_length=1)
    """The model's `tokenizer.json`, or the folder that it is in, to count tokens exactly. Default: an estimate that is
    rather too high, of one token for four letters a to z and one for each other character that is no space."""

    batch_texts: int = Field(default=32, ge=1, le=2048)
    """How many texts one request holds at most."""

    batch_tokens: int = Field(default=8192, ge=16, le=1_000_000)
    """How many tokens one request holds at most, unless a single text has more."""

    concurrency: int = Field(default=4, ge=1, le=64)
    """How many requests are under way at once."""

    timeout: float = Field(default=120, gt=0, le=3600, strict=False)
    """How many seconds one batch of a run (up to 500 rows), or one question, may take in all, repeated requests and the
    pauses that the server asks for included."""

    encoding_format: Literal["base64", "float"] = "base64"
    """How the server is asked to write vectors; an answer in the other way is read too. `float` is for one that refuses
    base64."""

    @field_validator("url")
    @classmethod
    def _url_is_plain(cls, url: str) -> str:
        parts = urlsplit(url)
        if not _VISIBLE.fullmatch(url) or parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("url must look like http://host:8000/v1 or https://host/v1")
        if parts.username is not None or parts.password is not None:
            raise ValueError("url must not hold a password: use key")
        if parts.query or parts.fragment:
            raise ValueError("url must end with its path, to which /embeddings is added")
        try:
            _ = parts.port
        except ValueError as error:
            raise ValueError("the url's port must be a number up to 65535") from error
        return url.rstrip("/")

    @field_validator("key")
    @classmethod
    def _key_fits_a_header(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and not _VISIBLE.fullmatch(key.get_secret_value()):
            raise ValueError("key must be letters, digits and signs of ASCII, without spaces")
        return key

    @property
    def shows_key(self) -> bool:
        """Whether the key travels unencrypted to another machine."""
        parts = urlsplit(self.url)
        return self.key is not None and parts.scheme == "http" and not _is_loopback(parts.hostname or "")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
