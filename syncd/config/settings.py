"""What a configuration says, as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, Field, PrivateAttr, SecretStr

from syncd.model.fields import Duration, Model, Name
from syncd.model.job import JobDefinition, Origin
from syncd.model.schedule import parse_duration

Kind = Literal["source", "embedder", "chunker", "knowledge_base"]


@dataclass(frozen=True, slots=True)
class PartConfig:
    """A part that is yet to be made: which kind, which type of it, and that type's own options.

    The options are kept out of the representation, because they may hold secrets.
    """

    kind: Kind
    type: str
    options: BaseModel = field(repr=False)


@dataclass(frozen=True, slots=True)
class KnowledgeBaseConfig:
    """A knowledge base: the store that holds it, and what cuts and embeds the texts for it.

    Args:
        origin: where it is defined.
        place: the line of the file that defines it.
    """

    store: PartConfig
    embedder: PartConfig
    chunking: PartConfig
    origin: Origin = Origin.FILE
    place: str = field(default="", compare=False)


class Server(Model):
    """Where the daemon listens."""

    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    """The address to listen on."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    """The port to listen on; 0 takes a free one."""
    allow_remote: bool = False
    """Listen on an address that other machines reach even while there are no tokens: only inside a closed network."""


class Limits(Model):
    """What jobs may ask for, and how much runs at once."""

    max_active_jobs: Annotated[int, Field(ge=1)] = 100
    """How many enabled jobs there may be."""
    min_interval: Duration = "1 MINUTE"
    """The shortest interval of a job."""
    max_duration: Duration = "30 DAYS"
    """The longest time from start_time to end_time, of jobs that give both."""
    max_concurrency: Annotated[int, Field(ge=1, le=256)] = 2
    """How many runs go on at once."""
    max_concurrency_per_database: Annotated[int, Field(ge=1, le=256)] | None = None
    """How many of them may read the same database. Default: all."""
    max_concurrency_per_knowledge_base: Annotated[int, Field(ge=1, le=256)] | None = None
    """How many of them may fill the same knowledge base. Default: all."""
    keep_runs: Annotated[int, Field(ge=1)] = 1000
    """How many finished runs are remembered for each job."""

    @property
    def shortest_interval(self) -> timedelta:
        """The shortest interval of a job."""
        return parse_duration(self.min_interval)

    @property
    def longest_duration(self) -> timedelta:
        """The longest time from start_time to end_time."""
        return parse_duration(self.max_duration)


def _checked_network(text: str) -> str:
    try:
        return str(ip_network(text))
    except ValueError as error:
        raise ValueError(f"{text!r} is not a network: write one such as 10.0.0.0/8 or fd00::/8") from error


class Webhooks(Model):
    """Where webhooks may lead."""

    allow_private: list[Annotated[str, AfterValidator(_checked_network)]] = Field(default_factory=list)
    """Networks that webhooks may lead to although they are not public, such as `10.0.0.0/8`; by default none."""

    @property
    def allowed(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The networks that webhooks may lead to although they are not public."""
        return tuple(ip_network(text) for text in self.allow_private)


def _checked_state(url: SecretStr) -> SecretStr:
    if not url.get_secret_value().startswith(("sqlite://", "sqlite+", "postgresql://", "postgresql+")):
        raise ValueError("state must be a URL such as sqlite:///data/syncd.db or postgresql://user@host/name")
    return url


class Settings(Model):
    """All that the configuration says."""

    state: Annotated[SecretStr, AfterValidator(_checked_state)] = SecretStr("sqlite:///data/syncd.db")
    """The database of syncd's own state: a SQLite or PostgreSQL URL."""
    databases: Mapping[Name, PartConfig] = {}
    """The databases to read from, by name."""
    knowledge_bases: Mapping[Name, KnowledgeBaseConfig] = {}
    """The knowledge bases to fill, by name."""
    jobs: Mapping[Name, JobDefinition] = {}
    """The jobs, by name."""
    server: Server = Server()
    """Where the daemon listens."""
    limits: Limits = Limits()
    """What jobs may ask for, and how much runs at once."""
    webhooks: Webhooks = Webhooks()
    """Where webhooks may lead."""
    _places: Mapping[str, str] = PrivateAttr(default_factory=dict)

    @property
    def places(self) -> Mapping[str, str]:
        """The file and line that define each job."""
        return self._places

    def found_at(self, places: Mapping[str, str]) -> Self:
        """Return these settings, with the file and line that define each job."""
        found = self.model_copy()
        found._places = places
        return found
