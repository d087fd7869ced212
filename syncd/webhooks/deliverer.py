"""Turns events into messages and sends those that are due, until they arrive: at least once each."""

from __future__ import annotations

import itertools
import logging
import random
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from syncd.errors import SyncdError, SyncError
from syncd.model.webhook import Delivery, Notice, Outcome, Webhook
from syncd.state import State
from syncd.webhooks.message import Show, body, headers
from syncd.webhooks.retries import MAX_ATTEMPTS, next_attempt
from syncd.webhooks.sender import SEND_SECONDS, Sender

log = logging.getLogger(__name__)

POLL_SECONDS = 1.0
REPEAT_SECONDS = 5.0
PRUNE_SECONDS = 3600.0
STOP_SECONDS = 1.0
SENDERS = 16
HOLD = timedelta(seconds=SEND_SECONDS * 3)
"""A message that was taken and not recorded for so long belongs to a process that died."""


class Deliverer:
    """Delivers what happened to the webhooks that want to know.

    Each webhook has one message under way at a time, in the order of the events, so that a slow receiver delays only
    itself. A message that has to wait for its next attempt lets the later ones pass.

    Args:
        state: events, webhooks and messages.
        sender: sends one message.
        show: see `Show`.
        clock: tells the time, aware and in UTC.
        chance: returns a number from 0 to 1, which spreads attempts.
    """

    def __init__(
        self,
        state: State,
        sender: Sender,
        show: Show,
        clock: Callable[[], datetime],
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._state = state
        self._sender = sender
        self._show = show
        self._clock = clock
        self._chance = chance
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._sending: dict[int, threading.Thread] = {}
        self._turns = itertools.count(1)
        self._last_turn: dict[int, int] = {}
        self._prune_at = 0.0
        self._thread = threading.Thread(target=self._work, name="webhooks", daemon=True)

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def wake(self) -> None:
        """Look for something to tell now rather than at the next poll."""
        self._wake.set()

    def stop(self, patience: float = STOP_SECONDS) -> None:
        """Begin nothing new; what is still under way after `patience` seconds is sent again after the next start."""
        self._stopping.set()
        self.wake()
        until = time.monotonic() + patience
        for thread in (self._thread, *list(self._sending.values())):
            thread.join(max(0.0, until - time.monotonic()))

    def check(self, url: str) -> None:
        """Return when messages may go to this URL; raises as `Sender.check`."""
        self._sender.check(url)

    def ping(self, number: int) -> Delivery:
        """Send a webhook a message that tells nothing, once, and return how that went.

        Raises:
            NotFound: there is no such webhook.
        """
        delivery = self._state.deliveries.add_ping(number, self._body, self._clock(), HOLD)
        outcome = self._attempt(self._state.webhooks.get(number), delivery)
        self._state.deliveries.record(delivery, Outcome(outcome.status, outcome.error), self._clock())
        return self._state.deliveries.get(number, delivery.number)

    def _work(self) -> None:
        while not self._stopping.is_set():
            rest = POLL_SECONDS
            try:
                self._round()
            except SyncdError as error:
                log.error("webhooks wait: %s", error)
                rest = REPEAT_SECONDS
            except Exception:
                log.exception("events could not be told")
                rest = REPEAT_SECONDS
            self._wake.wait(rest)
            self._wake.clear()

    def _round(self) -> None:
        while self._state.deliveries.spread(self._body, self._clock()) and not self._stopping.is_set():
            continue
        if time.monotonic() >= self._prune_at:
            self._prune_at = time.monotonic() + PRUNE_SECONDS
            self._state.events.prune()
        due = [number for number in self._state.deliveries.due(self._clock()) if number not in self._sending]
        # Whoever waited longest comes first, so that many slow receivers together hold nobody up for ever.
        for number in sorted(due, key=lambda number: self._last_turn.get(number, 0)):
            if len(self._sending) >= SENDERS or self._stopping.is_set():
                return
            self._last_turn[number] = next(self._turns)
            thread = threading.Thread(target=self._send_one, args=[number], name=f"webhook-{number}", daemon=True)
            self._sending[number] = thread
            thread.start()

    def _send_one(self, number: int) -> None:
        more = False
        try:
            taken = self._state.deliveries.take(number, self._clock(), HOLD)
            if taken is not None:
                webhook, delivery = taken
                outcome = self._attempt(webhook, delivery)
                self._state.deliveries.record(delivery, outcome, self._clock())
                _tell(webhook, delivery, outcome)
                more = True
        except SyncdError as error:
            log.error("a message to wh_%s waits: %s", number, error)
        except Exception:
            log.exception("a message to wh_%s could not be sent", number)
        finally:
            del self._sending[number]
            if more:
                self.wake()

    def _attempt(self, webhook: Webhook, delivery: Delivery) -> Outcome:
        status, retry_after = None, None
        try:
            answer = self._sender.post(webhook.url, headers(webhook, delivery, self._clock()), delivery.body)
            if 200 <= answer.status < 300:
                return Outcome(answer.status)
            status, retry_after = answer.status, answer.retry_after
            error = f"the receiver answered {status}"
        except SyncError as failure:
            error = str(failure)
        return Outcome(status, error, next_attempt(delivery.attempts, self._clock(), self._chance(), retry_after))

    def _body(self, delivery_id: str, notice: Notice) -> str:
        return body(delivery_id, notice, self._show)


def _tell(webhook: Webhook, delivery: Delivery, outcome: Outcome) -> None:
    if outcome.error is None:
        log.debug("%s arrived at webhook %s", delivery.id, webhook.name)
    elif outcome.retry_at is None:
        log.warning(
            "%s did not arrive at webhook %s in %s attempts: %s", delivery.id, webhook.name, MAX_ATTEMPTS, outcome.error
        )
    else:
        log.info("%s did not arrive at webhook %s yet: %s", delivery.id, webhook.name, outcome.error)
