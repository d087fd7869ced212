"""Makes texts that no two rows share, of about as many tokens as asked."""

from __future__ import annotations

from random import Random

_DICTIONARY = """
amber anchor apple autumn basket beacon bicycle blanket bottle bridge bronze button cabin candle canvas carpet
castle cedar chapter cherry circle cloud coffee copper corner cotton cousin cradle crystal curtain desert
dinner dragon eagle engine evening fabric falcon farmer feather festival filter finger flower forest fountain
garden ginger glacier granite hammer harbor harvest helmet hollow honey island jacket journey kettle ladder
lantern leather letter lily linen lizard magnet maple marble meadow mirror morning mountain museum needle
novel ocean olive orange orchard oven palace paper parcel pearl pebble pepper piano pillow pilot planet pocket
pottery prairie puzzle quarry rabbit ribbon river rocket saddle salmon sandal season shadow shelter silver
sketch spider spring statue summer sunset table temple thunder ticket timber tomato tower tunnel valley velvet
village violin walnut water whistle window winter
"""
_WORDS = _DICTIONARY.split()
_WORDS_IN_SENTENCE = 11


def sentence(random: Random, key: int, number: int) -> str:
    """Return about 17 tokens that say which row and which sentence they are."""
    words = random.choices(_WORDS, k=_WORDS_IN_SENTENCE)
    return f"{words[0].capitalize()} {key} {' '.join(words[1:])} {number}."


def text(random: Random, key: int, sentences: int = 1) -> str:
    """Return a text of so many sentences, each about 17 tokens."""
    return " ".join(sentence(random, key, random.randrange(10**6)) for _ in range(sentences))
