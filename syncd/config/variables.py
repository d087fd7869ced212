"""Puts variables of the environment into the texts of a configuration."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from syncd.config.secrets import Secrets

_VARIABLE = re.compile(
    r"\$(?:(?P<dollar>\$)|\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^{}]*))?\}|(?P<bad>\{))"
)
_MAX_FILE = 64 * 1024


class Variables:
    """The environment, as a configuration sees it.

    `${NAME}` is the variable's value, or the content of the file that `NAME_FILE` names; `${NAME:-default}` is the
    default where these are unset or empty; `$$` is a dollar sign.

    Args:
        environ: the variables.
        secrets: learns every value that is put in.
    """

    def __init__(self, environ: Mapping[str, str], secrets: Secrets) -> None:
        self._environ = environ
        self._secrets = secrets

    def fill(self, text: str) -> str:
        """Return the text with its variables put in.

        Raises:
            ValueError: a variable is unset or cannot be read; the message says what to do.
        """
        return _VARIABLE.sub(self._replacement, text)

    def _replacement(self, match: re.Match[str]) -> str:
        if match["dollar"]:
            return "$"
        if match["bad"]:
            raise ValueError("a variable is written ${NAME} or ${NAME:-default}; for a dollar sign write $$")
        value = self._value(match["name"])
        if not value and match["default"] is not None:
            return match["default"]
        if value is None:
            raise ValueError(
                f"the variable {match['name']} is not set: set it, or {match['name']}_FILE to a file that holds it, "
                f"or write ${{{match['name']}:-default}}; for a dollar sign write $$"
            )
        self._secrets.add(value)
        return value

    def _value(self, name: str) -> str | None:
        value = self._environ.get(name)
        file = self._environ.get(f"{name}_FILE")
        if value is None and file is not None:
            value = _content(name, file)
        if value is not None and not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError as error:
                raise ValueError(f"the variable {name} is not UTF-8 text") from error
        return value


def is_one_variable(text: str) -> bool:
    """Tell whether the text is one variable and nothing else."""
    match = _VARIABLE.fullmatch(text)
    return match is not None and match["name"] is not None


def _content(name: str, file: str) -> str:
    try:
        with Path(file).open(encoding="utf-8", newline="") as opened:
            content = opened.read(_MAX_FILE + 1)
    except OSError as error:
        raise ValueError(f"the file that {name}_FILE names cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ValueError(f"the file that {name}_FILE names is not UTF-8 text") from error
    if len(content) > _MAX_FILE:
        raise ValueError(f"the file that {name}_FILE names is larger than 64 KiB")
    return content.removesuffix("\n").removesuffix("\r")
