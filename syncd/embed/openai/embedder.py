"""Vectors from a model on a server."""

from __future__ import annotations

import json
import logging
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
from pydantic import BaseModel
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, stop_before_delay
from tenacity.stop import stop_when_event_set

from syncd.embed.openai.answer import BYTES_PER_VECTOR, vectors_of
from syncd.embed.openai.endpoint import Busy, Endpoint, Refused
from syncd.embed.openai.options import OpenAiOptions
from syncd.embed.openai.side_by_side import side_by_side
from syncd.embed.openai.tokens import tokens_of
from syncd.embed.texts import require_unicode
from syncd.errors import Fault, PermanentError, RecordError
from syncd.portions import portions
from syncd.ports import Vectors

ATTEMPTS = 6
"""How often one request is made before the run is told to try again later."""

_HARMLESS = "What cannot be embedded is told now."
"""A text that no model refuses: whoever refuses it refuses everything."""

Pause = Callable[[threading.Event, float], object]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Call:
    """One call of `embed`: when it has to end, and whether a part of it has failed for good."""

    until: float
    given_up: threading.Event


class OpenAiEmbedder:
    """Embeds texts by meaning on a server, several requests at once.

    Args:
        options: which server, which model, and how much at once.
        pause: waits for so many seconds, or until the event is set.
    """

    Options = OpenAiOptions

    @classmethod
    def objection(cls, options: OpenAiOptions, configured: Sequence[BaseModel]) -> Fault | None:
        """Say what in the options must not come from a request: an address or a file that no configuration vouches for.

        A key is neither taken from a request, nor sent for one that does not name its whole knowledge base.
        """
        asked = (options.url, options.tokenizer)
        known = [one for one in configured if isinstance(one, OpenAiOptions) and one.key is None]
        if any((one.url, one.tokenizer) == asked for one in known):
            return None
        return Fault(
            "url",
            "must be, with its tokenizer, that of an embedder without a key that the configuration has: "
            "a request makes syncd call no other server; name a knowledge base with a key as `like`",
        )

    def __init__(self, options: OpenAiOptions, pause: Pause = threading.Event.wait) -> None:
        self._options = options
        self._pause = pause
        self._tokens = tokens_of(options.tokenizer)
        self._endpoint = Endpoint(options)
        if options.shows_key:
            _log.warning("the key of %s is sent unencrypted: use https", self._endpoint.place)

    @cached_property
    def fingerprint(self) -> str:
        """Name everything that decides the vectors; not the address, so that a server can move.

        Raises:
            PermanentError: the tokenizer cannot be read.
        """
        named = self._options
        length = named.dimensions or "whole"
        return (
            f"openai:{named.model}@{named.revision or 'latest'}:{length}:"
            f"{named.max_tokens}:{self._tokens.fingerprint}:unit"
        )

    @property
    def max_tokens(self) -> int:
        """The longest text, in tokens, that the model reads whole."""
        return self._options.max_tokens

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Count each text's tokens with the model's tokenizer, or estimate them where none is configured.

        Raises:
            PermanentError: the tokenizer cannot be used.
            RecordError: a text is not valid Unicode.
        """
        require_unicode(texts)
        return self._tokens.count(texts)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return one unit vector per text, in order, of shape (len(texts), dimension).

        A text of more than `max_tokens` is cut here, as its model would cut it: some servers refuse what is too long.
        Safe to call from several threads; together they have no more requests under way than `concurrency`.

        Raises:
            PermanentError: the server refuses every text, or what it answers cannot be right.
            TransientError: it did not answer, or asks for more time than there is.
            RecordError: a text cannot be embedded.
        """
        if not texts:
            return self.embed([_HARMLESS])[:0]
        call = _Call(time.monotonic() + self._options.timeout, threading.Event())
        asked = [partial(self._embedded, batch, call) for batch in self._batches(texts)]
        parts = side_by_side(asked, self._options.concurrency, call.given_up)
        lengths = {part.shape[1] for part in parts} | {self._options.dimensions or parts[0].shape[1]}
        if len(lengths) > 1:
            told = " and ".join(map(str, sorted(lengths)))
            raise PermanentError(
                f"{self._endpoint.place} answers vectors of another length than it was asked for, or of two: {told}",
                "check the embedder's model and dimensions",
            )
        return np.concatenate(parts)

    def _batches(self, texts: Sequence[str]) -> Iterator[list[str]]:
        """Cut what is too long, and put together what fits into one request."""
        limit = self._options.max_tokens
        counted = zip(texts, self.count_tokens(texts), strict=True)
        for batch in portions(
            counted, self._options.batch_texts, lambda one: min(one[1], limit), lambda: self._options.batch_tokens
        ):
            yield [text if count <= limit else self._tokens.cut(text, limit) for text, count in batch]

    def _embedded(self, texts: list[str], call: _Call) -> Vectors:
        """Return the vectors of one request's texts, or find out who is at fault that there are none."""
        try:
            return self._asked(texts, call)
        except Refused as refused:
            if refused.too_large and len(texts) > 1:
                half = len(texts) // 2
                return np.concatenate([self._embedded(texts[:half], call), self._embedded(texts[half:], call)])
            self._require_harmless(refused, call)
            raise RecordError(f"{self._endpoint.place} refuses the text: {refused.said}") from refused

    def _require_harmless(self, refused: Refused, call: _Call) -> None:
        """Return when a text that nothing can be said against is embedded. Raises PermanentError where it is not."""
        try:
            self._asked([_HARMLESS], call)
        except Refused as error:
            raise PermanentError(
                f"{self._endpoint.place} refuses every text: {error.said}",
                "check the embedder's model, dimensions and encoding_format",
            ) from refused

    def _asked(self, texts: list[str], call: _Call) -> Vectors:
        body: dict[str, object] = {
            "model": self._options.model,
            "input": texts,
            "encoding_format": self._options.encoding_format,
        }
        if self._options.dimensions is not None:
            body["dimensions"] = self._options.dimensions
        written = json.dumps(body, ensure_ascii=False).encode()
        most = (len(texts) + 1) * BYTES_PER_VECTOR

        def pause(seconds: float) -> None:
            self._pause(call.given_up, seconds)

        retrying = Retrying(
            retry=retry_if_exception_type(Busy),
            stop=stop_after_attempt(ATTEMPTS)
            | stop_before_delay(max(0.0, call.until - time.monotonic()))
            | stop_when_event_set(call.given_up),
            wait=_wait,
            sleep=pause,
            reraise=True,
        )
        content = retrying(self._endpoint.post, written, most, call.until)
        return vectors_of(content, len(texts), self._endpoint.place)


def _wait(state: RetryCallState) -> float:
    """Return how many seconds to wait: what the server asks for, else half a second, doubled each time."""
    assert state.outcome is not None
    busy = state.outcome.exception()
    assert isinstance(busy, Busy)
    if busy.asked is not None:
        return busy.asked.total_seconds()
    return float(2 ** (state.attempt_number - 2) * random.uniform(1, 1.5))  # noqa: S311 - no secret
