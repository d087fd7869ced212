"""An embedder's answers are looked at before they are believed, and that holds nobody up."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import pytest

from syncd.embed.checked import CheckedEmbedder
from syncd.embed.hashing import HashingEmbedder, HashingOptions
from syncd.errors import RecordError
from syncd.ports import Vectors

PATIENCE = 30
FIRST, SECOND = ("an axe", "a bee"), ("a cow", "a dog")


@dataclass
class _Watched:
    """A sound embedder that notes what it is asked, and lets the first call wait until it may go on."""

    may_go_on: threading.Event
    asked: list[tuple[str, ...]] = field(default_factory=list)
    fails: bool = False
    fingerprint: str = "watched"
    max_tokens: int = 100
    began: threading.Event = field(default_factory=threading.Event)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [1 for _ in texts]

    def embed(self, texts: Sequence[str]) -> Vectors:
        self.asked.append(tuple(texts))
        if len(self.asked) == 1:
            self.began.set()
            assert self.may_go_on.wait(PATIENCE)
            if self.fails:
                raise RecordError("not this one")
        return HashingEmbedder(HashingOptions(dimension=64)).embed(texts)


def test_two_texts_of_the_first_call_are_asked_again_before_the_next_call() -> None:
    """Beside calls that begin with it, it would be believed no sooner than the last of them is embedded."""
    watched = _Watched(threading.Event())
    checked = CheckedEmbedder(watched)
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(checked.embed, FIRST)
        assert watched.began.wait(PATIENCE)
        second = threads.submit(checked.embed, SECOND)
        single = checked.embed(["one text, as a search has"])
        watched.may_go_on.set()
        assert len(first.result(PATIENCE)) == len(second.result(PATIENCE)) == 2
    assert len(single) == 1, "a search waits for nobody"
    assert watched.asked == [FIRST, ("one text, as a search has",), FIRST[::-1], SECOND]
    assert np.array_equal(checked.embed(FIRST), first.result())


def test_after_a_first_call_that_failed_the_next_one_goes_alone() -> None:
    watched = _Watched(threading.Event(), fails=True)
    watched.may_go_on.set()
    checked = CheckedEmbedder(watched)
    with pytest.raises(RecordError, match="not this one"):
        checked.embed(FIRST)
    checked.embed(SECOND)
    assert watched.asked == [FIRST, SECOND, SECOND[::-1]]
