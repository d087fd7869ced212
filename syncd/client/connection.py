"""One daemon over HTTP: requests, retries, pages, events, and what goes wrong with them."""

from __future__ import annotations

import ipaddress
import json
import random
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from syncd.client.errors import BY_STATUS, ApiError, Unreachable
from syncd.errors import Fault

if TYPE_CHECKING:
    import httpx

PAGE = 100
ATTEMPTS = 4
LONGEST_WAIT_SECONDS = 10.0
# A stream that is silent for longer than this is dead: the daemon says every 15 s that it is still there.
SILENCE_SECONDS = 60.0

_BUSY = frozenset({429, 503})

Params = Mapping[str, str | int | bool | datetime | Sequence[str] | None]


class Connection:
    """Asks one daemon.

    Args:
        url: where it answers.
        token: `syncd_...`; None where none is needed.
        timeout: how long to wait for an answer, in seconds.
        pause: waits so many seconds.

    Raises:
        ValueError: this can be no daemon's address, or no token.
    """

    def __init__(
        self, url: str, token: str | None, timeout: float, pause: Callable[[float], None] = time.sleep
    ) -> None:
        import httpx

        host = _host(url)
        self.url = url.rstrip("/")
        self.pause = pause
        self._http = httpx.Client(
            headers=_credentials(token),
            timeout=timeout,
            # A proxy could only lead away from a daemon on this machine.
            trust_env=not _is_loopback(host),
        )

    def close(self) -> None:
        """Let go of every connection."""
        self._http.close()

    def get(self, path: str, params: Params | None = None) -> Any:
        """Return what stands at a path."""
        return self.ask("GET", path, params=params, again=True)

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Send a body, and return the answer."""
        return self.ask("POST", path, body=body)

    def ask(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        again: bool = False,
        silence: float | None = None,
    ) -> Any:
        """Ask for something, and return the answer; None where there is nothing in it.

        Args:
            params: of the URL; those that are None are left out.
            body: sent as JSON.
            silence: how long to wait for the answer, in seconds; None for as long as for others.
            again: to ask twice does no more than to ask once, so that a daemon that is busy is asked again.

        Raises:
            ApiError: the daemon did not do it.
            Unreachable: no daemon answers there.
        """
        for attempt in range(1, ATTEMPTS + 1):
            with self._sent(method, path, params, body, headers, silence) as answer:
                answer.read()
            wait = _wait(answer, attempt)
            if not again or wait is None or attempt == ATTEMPTS:
                break
            self.pause(wait)
        if not answer.is_success:
            raise _error(answer, self.url)
        return _content(answer, self.url) if answer.content else None

    def pages(self, path: str, params: Params | None = None) -> Iterator[Any]:
        """Yield each entry of a list, and ask for the next page when one is used up."""
        cursor = None
        while True:
            page = self.get(path, {**(params or {}), "limit": PAGE, "cursor": cursor})
            yield from page["data"]
            cursor = page["next_cursor"]
            if cursor is None:
                return

    def events(self, path: str) -> Iterator[tuple[str, Any]]:
        """Yield the name and the data of each server-sent event, until the stream ends.

        Raises:
            ApiError: there is no such stream.
            Unreachable: no daemon answers there, or it broke off.
        """
        with self._sent("GET", path, silence=SILENCE_SECONDS) as answer:
            if not answer.is_success:
                answer.read()
                raise _error(answer, self.url)
            name = ""
            for line in answer.iter_lines():
                field, _, value = line.partition(": ")
                if field == "event":
                    name = value
                elif field == "data":
                    yield name, json.loads(value)

    def lines(self, method: str, path: str, silence: float) -> Iterator[Any]:
        """Yield each line of an answer that comes bit by bit, as JSON.

        Args:
            silence: how long to wait for the next line, in seconds.

        Raises:
            ApiError: the daemon did not do it, or could not go on.
            Unreachable: no daemon answers there, or it broke off.
        """
        with self._sent(method, path, silence=silence) as answer:
            if not answer.is_success:
                answer.read()
                raise _error(answer, self.url)
            for line in answer.iter_lines():
                told = json.loads(line)
                if "error" in told:
                    raise ApiError(answer.status_code, told["error"]["code"], told["error"]["message"])
                yield told

    @contextmanager
    def _sent(
        self,
        method: str,
        path: str,
        params: Params | None = None,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        silence: float | None = None,
    ) -> Iterator[httpx.Response]:
        import httpx

        request = self._http.build_request(
            method,
            self.url + path,
            params={name: _texts(value) for name, value in (params or {}).items() if value is not None} or None,
            content=None if body is None else json.dumps(body, default=_text),
            headers={**(headers or {}), **({} if body is None else {"Content-Type": "application/json"})},
        )
        if silence is not None:
            request.extensions["timeout"] |= {"read": silence}
        try:
            answer = self._http.send(request, stream=True)
            try:
                yield answer
            finally:
                answer.close()
        except httpx.TimeoutException as error:
            raise Unreachable(f"the daemon at {self.url} did not answer in time", "look at its log") from error
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            hint = "is `syncd run` running there? its log names its address"
            raise Unreachable(f"the daemon at {self.url} does not answer: {reason}", hint) from error


def part(text: str) -> str:
    """Return a name or an id as a part of a path."""
    return quote(text, safe="")


def _host(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"{url!r} is no address of a daemon: write one such as http://127.0.0.1:8000")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("the address of a daemon holds no user, no query and no fragment: a token is given as `token`")
    # Reading it checks it.
    _ = parts.port
    return parts.hostname


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _credentials(token: str | None) -> dict[str, str]:
    if token is None:
        return {}
    # Often read from a file that ends with a line feed.
    secret = token.strip()
    if re.fullmatch(r"[!-~]+", secret) is None:
        raise ValueError("this is no token: it begins with syncd_, and holds no space")
    return {"Authorization": f"Bearer {secret}"}


def _texts(value: object) -> str | list[str]:
    return [*map(_text, value)] if isinstance(value, list | tuple) else _text(value)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, str | int):
        return str(value)
    raise TypeError(f"a {type(value).__name__} cannot be sent as JSON")


def _wait(answer: httpx.Response, attempt: int) -> float | None:
    """Return how many seconds to wait before asking again; None where that makes no sense."""
    if answer.status_code not in _BUSY:
        return None
    asked = answer.headers.get("Retry-After", "")
    seconds = float(asked) if asked.isdecimal() else _seconds_until(asked)
    if seconds is None:
        # Several clients that were refused together come back apart.
        seconds = 2.0 ** (attempt - 2) * random.uniform(1, 1.5)  # noqa: S311 - no secret
    return None if seconds > LONGEST_WAIT_SECONDS else seconds


def _seconds_until(moment: str) -> float | None:
    try:
        at = parsedate_to_datetime(moment)
    except ValueError:
        return None
    return max(0.0, (at.astimezone(UTC) - datetime.now(UTC)).total_seconds())


def _content(answer: httpx.Response, url: str) -> Any:
    try:
        return answer.json()
    except ValueError:
        raise ApiError(answer.status_code, "NOT_SYNCD", f"what answers at {url} is no syncd") from None


def _error(answer: httpx.Response, url: str) -> ApiError:
    kind = BY_STATUS.get(answer.status_code, ApiError)
    try:
        told = answer.json()
        error = told["error"]
        details = [Fault(detail.get("field") or "", detail["message"]) for detail in error.get("details", ())]
        return kind(answer.status_code, error["code"], error["message"], details, told.get("request_id", ""))
    except (ValueError, KeyError, TypeError, AttributeError):
        message = f"what answers at {url} is no syncd: status {answer.status_code}"
        return kind(answer.status_code, "NOT_SYNCD", message)
