"""Webhooks: who is told of events, and what became of each message."""

from __future__ import annotations

import re
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError, WithJsonSchema

from syncd.api.access import caller_with
from syncd.api.description import LOCATION
from syncd.api.pages import DeliveryCursor, Listed, Paging, WebhookCursor, cursor, listed
from syncd.api.services import Services
from syncd.api.webhook_views import (
    DeliveryView,
    NewWebhookView,
    Surroundings,
    WebhookChange,
    WebhookRequest,
    WebhookView,
    new_secret,
)
from syncd.errors import Forbidden, NotFound
from syncd.model.access import Caller, Scope

M = TypeVar("M", bound=BaseModel)

Making = Annotated[dict[str, Any], WithJsonSchema(WebhookRequest.model_json_schema())]
Changing = Annotated[dict[str, Any], WithJsonSchema(WebhookChange.model_json_schema())]

_WEBHOOK = re.compile(r"wh_([1-9][0-9]{0,17})")
_DELIVERY = re.compile(r"whd_([1-9][0-9]{0,17})")


def unlimited(caller: Annotated[Caller, Depends(caller_with(Scope.ADMIN))]) -> Caller:
    """Return the caller, if nothing is out of their reach: a webhook may be told of every job.

    Raises:
        Forbidden: their token is limited.
    """
    if caller.limited:
        raise Forbidden("the token is limited, and webhooks tell about every job", "ask for a token without limits")
    return caller


class WebhooksQuery(Paging):
    """Which webhooks to list."""

    cursor: WebhookCursor = 0
    """The `next_cursor` of the page before."""


class DeliveriesQuery(Paging):
    """Which deliveries to list."""

    cursor: DeliveryCursor | None = None
    """The `next_cursor` of the page before."""


def router(services: Services) -> APIRouter:
    """Return the routes of webhooks."""
    routes = APIRouter(prefix="/v1/webhooks", tags=["webhooks"], dependencies=[Depends(unlimited)])
    state, deliverer, clock = services.state, services.deliverer, services.clock

    def read(model: type[M], given: dict[str, Any]) -> M:
        names = Surroundings(deliverer.check, lambda: [job.name for job in state.jobs.list(include_ended=True)])
        try:
            return model.model_validate(given, context=names)
        except ValidationError as error:
            # Here and not at the door, so that all faults are told at once, where a URL leads among them.
            raise RequestValidationError(
                [{**fault, "loc": ("body", *fault["loc"])} for fault in error.errors()]
            ) from None

    @routes.get("")
    def list_webhooks(
        query: Annotated[WebhooksQuery, Query()], request: Request, response: Response
    ) -> Listed[WebhookView]:
        """List the webhooks, oldest first."""
        return listed(
            state.webhooks.list(query.limit + 1, after=query.cursor),
            query.limit,
            mark=lambda webhook: cursor("webhooks", webhook.number),
            show=WebhookView.of,
            request=request,
            answer=response,
        )

    @routes.post("", status_code=201, responses={201: {"headers": LOCATION}})
    def add_webhook(given: Making, response: Response) -> NewWebhookView:
        """Make a webhook. This answer alone shows its secret."""
        wanted = read(WebhookRequest, given)
        values = wanted.model_dump(exclude={"name", "url", "secret"})
        secret = new_secret() if wanted.secret is None else wanted.secret.get_secret_value()
        webhook = state.webhooks.add(wanted.name, wanted.url, secret, clock(), **values)
        response.headers["Location"] = f"/v1/webhooks/{webhook.id}"
        return NewWebhookView.of(webhook)

    @routes.get("/{webhook}")
    def get_webhook(webhook: str) -> WebhookView:
        """Show one webhook, by its id (`wh_3`)."""
        return WebhookView.of(state.webhooks.get(_number(webhook)))

    @routes.patch("/{webhook}")
    def change_webhook(webhook: str, given: Changing) -> WebhookView:
        """Change what is given of a webhook, and leave the rest."""
        number = _number(webhook)
        state.webhooks.get(number)
        change = read(WebhookChange, given).model_dump(exclude_unset=True)
        changed = WebhookView.of(state.webhooks.change(number, clock(), **change))
        deliverer.wake()
        return changed

    @routes.delete("/{webhook}", status_code=204)
    def remove_webhook(webhook: str) -> None:
        """Remove a webhook and all its deliveries."""
        state.webhooks.remove(_number(webhook))

    @routes.post("/{webhook}/ping")
    def ping(webhook: str) -> DeliveryView:
        """Send a message that tells nothing, once and now, and tell how that went."""
        return DeliveryView.of(deliverer.ping(_number(webhook)))

    @routes.post("/{webhook}/rotate-secret")
    def rotate_secret(webhook: str) -> NewWebhookView:
        """Sign with a new secret, which this answer alone shows; the one before signs too, for 24 hours."""
        return NewWebhookView.of(state.webhooks.rotate(_number(webhook), new_secret(), clock()))

    @routes.get("/{webhook}/deliveries")
    def list_deliveries(
        webhook: str, query: Annotated[DeliveriesQuery, Query()], request: Request, response: Response
    ) -> Listed[DeliveryView]:
        """List what was sent or is to be sent to a webhook, newest first."""
        number = state.webhooks.get(_number(webhook)).number
        return listed(
            state.deliveries.list(number, query.limit + 1, before=query.cursor),
            query.limit,
            mark=lambda delivery: cursor("deliveries", delivery.number),
            show=DeliveryView.of,
            request=request,
            answer=response,
        )

    @routes.post("/{webhook}/deliveries/{delivery}/redeliver", status_code=202)
    def redeliver(webhook: str, delivery: str) -> DeliveryView:
        """Send a message again, under the same id, whatever became of it."""
        again = state.deliveries.redeliver(_number(webhook), _delivery_number(delivery), clock())
        deliverer.wake()
        return DeliveryView.of(again)

    return routes


def _number(reference: str) -> int:
    match = _WEBHOOK.fullmatch(reference)
    if match is None:
        raise NotFound(f"no webhook can have the id {reference[:128]!r}", "a webhook's id looks like wh_3")
    return int(match[1])


def _delivery_number(reference: str) -> int:
    match = _DELIVERY.fullmatch(reference)
    if match is None:
        raise NotFound(f"no delivery can have the id {reference[:128]!r}", "a delivery's id looks like whd_12")
    return int(match[1])
