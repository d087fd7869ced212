"""Breaks a call to Chroma off between any two of its steps."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from syncd.errors import TransientError


def cut_off(monkeypatch: pytest.MonkeyPatch, failing: int, lost: str, call: Callable[[], None]) -> bool:
    """Let the n-th call to a collection fail, before it reaches the store or after; tells whether there was one."""
    from chromadb.api.models.Collection import Collection

    calls = itertools.count()

    def breaking(method: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            number = next(calls)
            if number == failing and lost == "call":
                raise ConnectionResetError("cut off before the call")
            answer = method(*args, **kwargs)
            if number == failing:
                raise ConnectionResetError("cut off before the answer")
            return answer

        return wrapped

    with monkeypatch.context() as patch:
        for method in ("get", "upsert", "update", "delete", "modify"):
            patch.setattr(Collection, method, breaking(getattr(Collection, method)))
        try:
            call()
        except TransientError:
            return True
    return False
