"""Posts one request to one server, and sorts its answers by what has to be done about them."""

from __future__ import annotations

import json
import ssl
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from queue import Empty, LifoQueue
from typing import Any
from urllib.parse import urlsplit

import httpcore
import httpx

from syncd.embed.openai.deadline import DeadlineBackend, left, timeouts
from syncd.embed.openai.options import OpenAiOptions
from syncd.errors import PermanentError, TransientError
from syncd.model.retry_after import parse_retry_after

_BUSY = {408, 425, 429}
_REFUSED = {400, 413, 422}
_IDLE_SECONDS = 30.0
_WORDS = 200


class Busy(TransientError):
    """The same request may be answered soon.

    Args:
        asked: how long the server asks to be left alone; None where it does not.
    """

    def __init__(self, message: str, asked: timedelta | None = None) -> None:
        super().__init__(message)
        self.asked = asked


class Refused(Exception):
    """The server does not want a request as it is: its texts, or what it asks for, may be at fault.

    Args:
        said: what the server answered, for people.
        too_large: the request as a whole is too large.
    """

    def __init__(self, said: str, *, too_large: bool) -> None:
        super().__init__(said)
        self.said = said
        self.too_large = too_large


class Endpoint:
    """One server's `/embeddings`, and the connections to it.

    The key is sent there alone: no redirect is followed, and no proxy of the environment is asked. TLS proves the
    server's name by the authorities that the environment (`SSL_CERT_FILE`) and `certifi` name. Safe to use from several
    threads.

    Raises:
        PermanentError: those authorities' certificates cannot be read.
    """

    def __init__(self, options: OpenAiOptions) -> None:
        self.place = f"the embedding server at {options.url}"
        self._url = f"{options.url}/embeddings"
        self._key = "" if options.key is None else options.key.get_secret_value()
        tls = _trusted() if options.url.startswith("https:") else None
        self._free: LifoQueue[httpcore.ConnectionPool] = LifoQueue()
        for _ in range(options.concurrency):
            pool = httpcore.ConnectionPool(
                tls, max_connections=1, keepalive_expiry=_IDLE_SECONDS, network_backend=DeadlineBackend()
            )
            weakref.finalize(self, pool.close)
            self._free.put(pool)

    def post(self, body: bytes, most: int, until: float) -> bytes:
        """Return the body of the answer to a request.

        Args:
            body: the request, as JSON.
            most: how many bytes the answer may have.
            until: when to give up, by the monotonic clock.

        Raises:
            Refused: the server does not want this request.
            Busy: it may be answered soon.
            TransientError: the time was over before it was answered.
            PermanentError: the server, or what the configuration says of it, is at fault.
        """
        try:
            with (
                self._lent(until) as pool,
                pool.stream(
                    "POST",
                    self._url,
                    headers=self._headers(),
                    content=body,
                    extensions={"timeout": timeouts(until)},
                ) as response,
            ):
                content = self._read(response, most)
        except httpcore.TimeoutException as error:
            raise TransientError(f"{self.place} did not answer in time", "raise the embedder's timeout") from error
        except (httpcore.NetworkError, httpcore.ProtocolError) as error:
            # httpcore drops the cause, and keeps it as its exception's argument.
            if error.args and isinstance(error.args[0], ssl.SSLCertVerificationError):
                raise PermanentError(
                    f"{self.place} cannot prove who it is: {error.args[0].verify_message}",
                    "SSL_CERT_FILE names the authorities to trust",
                ) from error
            raise Busy(f"{self.place} cannot be reached: {error or type(error).__name__}") from error
        if response.status == 200:
            return content
        raise self._failure(response, content)

    @contextmanager
    def _lent(self, until: float) -> Iterator[httpcore.ConnectionPool]:
        """Lend a connection to one thread: a shared pool may close one that another thread was just given."""
        try:
            pool = self._free.get(timeout=left(until))
        except Empty:
            raise httpcore.PoolTimeout from None
        try:
            yield pool
        finally:
            self._free.put(pool)

    def _headers(self) -> list[tuple[str, str]]:
        headers = [
            ("Host", urlsplit(self._url).netloc),
            ("Content-Type", "application/json"),
            ("Accept", "application/json"),
            ("Accept-Encoding", "identity"),
            ("User-Agent", "syncd"),
        ]
        return [*headers, ("Authorization", f"Bearer {self._key}")] if self._key else headers

    def _read(self, response: httpcore.Response, most: int) -> bytes:
        content = bytearray()
        for part in response.iter_stream():
            content += part
            if len(content) > most:
                raise PermanentError(
                    f"{self.place} answers with more than {most:,} bytes", "check the embedder's url and its server"
                )
        return bytes(content)

    def _failure(self, response: httpcore.Response, content: bytes) -> Exception:
        status = response.status
        if status in {401, 403}:
            return PermanentError(f"{self.place} refuses the credentials ({status})", "check the embedder's key")
        if 300 <= status < 400:
            return PermanentError(
                f"{self.place} leads elsewhere ({status})",
                "no redirect is followed, so that the key goes nowhere else: correct the embedder's url",
            )
        said = f"{status}{self._words(content)}"
        if status in _REFUSED:
            return Refused(said, too_large=status == 413)
        if status in _BUSY or status >= 500:
            headers = {name.lower(): value.decode("latin-1") for name, value in response.headers}
            asked = parse_retry_after(headers.get(b"retry-after"), datetime.now(UTC))
            wish = "" if asked is None else f"; it asks for a pause of {asked.total_seconds():.0f} seconds"
            return Busy(f"{self.place} answers {said}{wish}", asked)
        return PermanentError(
            f"{self.place} answers {said}", "check the embedder's url, to which /embeddings is added, and its model"
        )

    def _words(self, content: bytes) -> str:
        """Return what the server says of a failure, without the key that it may repeat.

        Only a message is shown: structured details may repeat texts of rows.
        """
        told = parsed(content)
        for name in ("error", "message", "detail"):
            told = told.get(name, told) if isinstance(told, dict) else told
        if not isinstance(told, str):
            return ""
        shown = told.replace(self._key, "***") if self._key else told
        shown = "".join(letter if letter.isprintable() else " " for letter in shown)
        return f": {shown[:_WORDS]}"


def _trusted() -> ssl.SSLContext:
    try:
        return httpx.create_ssl_context()
    except OSError as error:
        raise PermanentError(
            f"the certificates to trust cannot be read: {error}", "correct SSL_CERT_FILE or SSL_CERT_DIR"
        ) from error


def parsed(content: bytes) -> Any:
    """Return what is written as JSON; None where nothing is."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None
