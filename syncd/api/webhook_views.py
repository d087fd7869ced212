"""What the API takes and gives about webhooks, as JSON."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, SecretStr, ValidationInfo, WithJsonSchema

from syncd.api.run_views import RunView
from syncd.api.schemas import Moment, Shown, example
from syncd.errors import SyncdError
from syncd.model.fields import Model, Name
from syncd.model.run import Run
from syncd.model.webhook import Delivery, DeliveryStatus, EventKind, Webhook
from syncd.webhooks.addresses import MAX_URL, checked_url

SHORTEST_SECRET = 32


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the fields of a request are held against.

    Args:
        check: raises when messages may not go to a URL.
        jobs: names the jobs that there are.
    """

    check: Callable[[str], None]
    jobs: Callable[[], Collection[str]]


def new_secret() -> str:
    """Return a secret that nobody can guess: 256 random bits."""
    return f"whsec_{secrets.token_urlsafe(32)}"


def shown_run(run: Run) -> dict[str, Any]:
    """Return a run as `GET /v1/runs/{run}` shows it."""
    return RunView.of(run).model_dump(mode="json")


def _leads_somewhere(url: str, info: ValidationInfo) -> str:
    checked_url(url)
    try:
        _surroundings(info).check(url)
    except SyncdError as error:
        raise ValueError(str(error)) from error
    return url


def _known(names: list[str] | None, info: ValidationInfo) -> list[str] | None:
    unknown = sorted(set(names or ()) - set(_surroundings(info).jobs()))
    if unknown:
        raise ValueError(f"there is no job {', '.join(unknown)}; GET /v1/jobs lists the jobs")
    return names


def _long_enough(secret: SecretStr | None) -> SecretStr | None:
    text = None if secret is None else secret.get_secret_value()
    if text is not None and not (text.isascii() and text.isprintable() and SHORTEST_SECRET <= len(text) <= 256):
        raise ValueError(
            f"must have {SHORTEST_SECRET} to 256 printable ASCII characters; leave it out to have one made"
        )
    return secret


def _surroundings(info: ValidationInfo) -> Surroundings:
    found = info.context
    assert isinstance(found, Surroundings)
    return found


Url = Annotated[
    str, Field(max_length=MAX_URL, json_schema_extra={"pattern": "^https?://"}), AfterValidator(_leads_somewhere)
]
# In strict mode only a member itself would do; written out, since this schema stands inside another one.
Kind = Annotated[EventKind, Field(strict=False), WithJsonSchema({"type": "string", "enum": list(EventKind)})]
_SECRET = WithJsonSchema(
    {"anyOf": [{"type": "string", "writeOnly": True, "pattern": f"^[ -~]{{{SHORTEST_SECRET},256}}$"}, {"type": "null"}]}
)
Jobs = Annotated[Annotated[list[Name], Field(max_length=1000)] | None, AfterValidator(_known)]
Seconds = Annotated[int, Field(ge=60, le=366 * 86400)]
Kinds = Annotated[list[Kind], Field(max_length=len(EventKind))]


class WebhookRequest(Model):
    """A webhook to be made."""

    model_config = example(name="alarms", url="https://hooks.example.com/syncd", events=["run.failed"])

    name: Name
    """What people call it; unique."""
    url: Url
    """Where messages go: https or http, at a public address."""
    secret: Annotated[SecretStr | None, AfterValidator(_long_enough), _SECRET] = None
    """What messages are signed with; made when it is left out."""
    events: Kinds = Field(default_factory=list)
    """The kinds of events to tell; empty for all."""
    jobs: Jobs = None
    """The names of the jobs to tell about; null for all."""
    max_seconds_behind: Seconds | None = None
    """From how many seconds behind its table a job is told as `freshness.breached`; null for never."""
    enabled: bool = True
    """Whether it is told anything."""


def _without_defaults(schema: dict[str, Any]) -> None:
    for field in schema["properties"].values():
        field.pop("default", None)


class WebhookChange(Model):
    """What to change about a webhook; what is left out stays."""

    model_config = ConfigDict(json_schema_extra=_without_defaults)

    name: Name = ""
    """What people call it; unique."""
    url: Url = ""
    """Where messages go: https or http, at a public address."""
    events: Kinds = Field(default_factory=list)
    """The kinds of events to tell; empty for all."""
    jobs: Jobs = None
    """The names of the jobs to tell about; null for all."""
    max_seconds_behind: Seconds | None = None
    """From how many seconds behind its table a job is told as `freshness.breached`; null for never."""
    enabled: bool = True
    """Whether it is told anything."""


class WebhookView(Shown):
    """A webhook; its secret is never shown."""

    id: str
    name: str
    url: str
    events: list[EventKind]
    """The kinds of events that it is told; empty for all."""
    jobs: list[str] | None
    """The names of the jobs that it is told about; null for all."""
    max_seconds_behind: int | None
    enabled: bool
    former_secret_until: Moment | None
    """Until when messages are also signed with the secret before this one; null when there was none."""
    created_at: Moment
    updated_at: Moment

    @classmethod
    def of(cls, webhook: Webhook) -> WebhookView:
        """Show a webhook."""
        return cls(**_shown(webhook))


class NewWebhookView(WebhookView):
    """A webhook with its secret, which is shown here and never again."""

    secret: str

    @classmethod
    def of(cls, webhook: Webhook) -> NewWebhookView:
        """Show a webhook with its secret."""
        return cls(**_shown(webhook), secret=webhook.secret)


class DeliveryView(Shown):
    """A message to a webhook, and how it fared."""

    id: str
    """The same at every attempt, in the message and in the header X-Syncd-Delivery."""
    event: str
    """The kind of event, or `ping`."""
    job_id: str | None
    run_id: str | None
    status: DeliveryStatus
    attempts: int
    next_attempt_at: Moment | None
    """When it is due; null once it was delivered or has failed."""
    last_status: int | None
    """The HTTP status of the last answer; null when there was none."""
    last_error: str | None
    created_at: Moment
    delivered_at: Moment | None
    body: str
    """The message, as it is sent."""

    @classmethod
    def of(cls, delivery: Delivery) -> DeliveryView:
        """Show a delivery."""
        return cls(
            id=delivery.id,
            event=delivery.kind,
            job_id=None if delivery.job_id is None else f"job_{delivery.job_id}",
            run_id=None if delivery.run_number is None else f"run_{delivery.run_number}",
            status=delivery.status,
            attempts=delivery.attempts,
            next_attempt_at=delivery.next_attempt_at,
            last_status=delivery.last_status,
            last_error=delivery.last_error,
            created_at=delivery.created_at,
            delivered_at=delivery.delivered_at,
            body=delivery.body,
        )


def _shown(webhook: Webhook) -> dict[str, Any]:
    return {
        "id": webhook.id,
        "name": webhook.name,
        "url": webhook.url,
        "events": sorted(webhook.events),
        "jobs": None if webhook.jobs is None else sorted(webhook.jobs),
        "max_seconds_behind": webhook.max_seconds_behind,
        "enabled": webhook.enabled,
        "former_secret_until": webhook.former_until,
        "created_at": webhook.created_at,
        "updated_at": webhook.updated_at,
    }
