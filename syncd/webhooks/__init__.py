"""Tells other programs what happened: signed messages over HTTP, to public addresses, until they arrive."""

from syncd.webhooks.addresses import Networks
from syncd.webhooks.deliverer import Deliverer
from syncd.webhooks.sender import Sender

__all__ = ["Deliverer", "Networks", "Sender"]
