"""What a configuration says about a knowledge base in Chroma."""

from __future__ import annotations

import re
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from syncd.errors import PermanentError
from syncd.model.fields import Model

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,510}[A-Za-z0-9]")


class ChromaOptions(Model):
    """Options of a `chroma` knowledge base: `path` for one that syncd keeps itself, or `url` for a Chroma server."""

    path: str | None = Field(default=None, min_length=1)
    """A folder of its own for an embedded Chroma; made when it is missing. One process at a time owns it: others
    search through that one. Give `path` or `url`."""

    url: str | None = Field(default=None, min_length=1)
    """The address of a Chroma server, such as `http://chroma:8000`. Give `path` or `url`."""

    tenant: str = Field(default="default_tenant", min_length=1)
    """The server's tenant; it must exist."""

    database: str = Field(default="default_database", min_length=1)
    """The tenant's database; it must exist."""

    token: SecretStr | None = None
    """What the server, or the proxy in front of it, asks for; sent as `Authorization: Bearer` and `X-Chroma-Token`."""

    timeout: float = Field(default=60, gt=0, le=3600, strict=False)
    """How many seconds the server may take to answer, and to go on answering, before the call counts as failed."""

    @field_validator("url")
    @classmethod
    def _url_is_plain(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("url must look like http://host:8000 or https://host")
        if parts.username or parts.password:
            raise ValueError("url must not hold a password: use token")
        if parts.path.strip("/") or parts.query or parts.fragment:
            raise ValueError("url must end with the host and port")
        try:
            _ = parts.port
        except ValueError as error:
            raise ValueError("the url's port must be a number up to 65535") from error
        return url

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.path is None) == (self.url is None):
            raise ValueError("give either path (embedded) or url (a server)")
        served = self.model_fields_set & {"tenant", "database", "token", "timeout"}
        if self.url is None and served:
            raise ValueError(f"{', '.join(sorted(served))}: only for a server, that is with url")
        return self


def require_name(name: str) -> None:
    """Check that Chroma can carry a collection of this name.

    Raises:
        PermanentError: it cannot.
    """
    if _NAME.fullmatch(name) is None:
        raise PermanentError(
            f"Chroma cannot hold a knowledge base named {name!r}",
            "use 3 to 512 letters, digits, '.', '_' or '-', with a letter or a digit first and last",
        )
    if ".syncd-" in name:
        raise PermanentError(
            f"Chroma cannot hold a knowledge base named {name!r}", "names with '.syncd-' belong to others' generations"
        )
