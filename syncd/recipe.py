"""How an embedder is made, without its secrets, so that what it filled can be searched after a change of model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import SecretBytes, SecretStr, ValidationError
from pydantic_core import to_jsonable_python

from syncd.config.parts import OptionsFor
from syncd.config.secrets import Secrets
from syncd.config.settings import PartConfig
from syncd.errors import PermanentError


def recipe_of(config: PartConfig) -> str:
    """Write down how a part is made: its type and its options, but those that hold a secret (invariant 10)."""
    return json.dumps([config.type, _plain(config.options.model_dump(exclude_none=True))])


def config_of(recipe: str, current: PartConfig, options_for: OptionsFor) -> PartConfig:
    """Read how a part is made.

    Args:
        current: a part of the same kind, whose secrets are taken where it is of the same type and at the same address.
        options_for: the model of a part's options, by kind and type.

    Raises:
        PermanentError: there is no recipe, or its options are not such as its type has today.
        NotFound: there is no such type any more.
    """
    if not recipe:
        raise PermanentError("how it was made is not known")
    type_, options = json.loads(recipe)
    # A new server's key is not sent to the old one.
    same = type_ == current.type and options.get("url") == getattr(current.options, "url", None)
    secrets = _secrets(current) if same else {}
    try:
        made = options_for(current.kind, type_).model_validate({**options, **secrets})
    except ValidationError as error:
        raise PermanentError(f"its options are not valid any more: {error.errors()[0]['msg']}") from error
    return PartConfig(current.kind, type_, made)


def _secrets(config: PartConfig) -> dict[str, object]:
    options = config.options.model_dump()
    return {name: value for name, value in options.items() if isinstance(value, SecretStr | SecretBytes)}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items() if not _is_secret(one)}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(one) for one in value if not _is_secret(one)]
    return to_jsonable_python(value)


def _is_secret(value: object) -> bool:
    """Tell whether a value is one, or a URL with a password."""
    if isinstance(value, SecretStr | SecretBytes):
        return True
    if not isinstance(value, str):
        return False
    passwords = Secrets()
    passwords.add_passwords_of(value)
    return passwords.hide(value) != value
