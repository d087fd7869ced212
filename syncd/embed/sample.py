"""Texts by which a converted model is compared with its original, and how alike the two must be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from syncd.ports import Vectors

Precision = Literal["fp32", "bf16", "int8"]

_SENTENCES = (
    "Stainless steel kettle, 1.7 litres, with a temperature display and automatic switch-off.",
    "The jacket is warm and dry in heavy rain, but the sleeves are a little short.",
    "Arrived two days late and the box was open; the seller sent another one the same week.",
    "Wireless headphones with noise cancelling, 30 hours of battery and a folding frame.",
    "Customer asks whether invoice 4711 can be paid in three instalments until March.",
    "Handmade oak table, oiled, seats eight people, delivered in two parcels.",
    "The server restarted at 03:14 UTC after the disk had filled with log files.",
    "Organic green tea from the first harvest, loose leaves, 250 g in a tin.",
    "How do I reset my password when I no longer have access to my old phone?",
    "Contract between the tenant and the landlord about the flat on the second floor.",
    "Patients with a family history should be examined every two years from the age of forty.",
    "A quiet novel about two sisters who inherit a lighthouse and cannot agree on what to do with it.",
    "Children's bicycle, 20 inches, three gears, training wheels, red; used but in good condition.",
    "The committee rejected the motion by a narrow majority after a debate of six hours.",
    "def total(prices): return sum(price for price in prices if price is not None)",
    "Ersatzfilter für Kaffeemaschinen, passend für alle Modelle ab 2019, Packung mit zehn Stück.",
    "Chaussures de randonnée imperméables, semelle antidérapante, pointures 36 à 47.",
    "El pedido llegó a tiempo, pero falta el cable de alimentación que aparece en la foto.",
    "Водонепроницаемая палатка на четырёх человек, вес 5,2 кг.",
    "防水のハイキングブーツ、軽量、サイズ24から29センチ。",
    "حذاء رياضي خفيف للجري في جميع الفصول",
    "Size M / colour: navy / SKU 88-1043-B / EAN 4006381333931 / in stock: 12",
    "Great!!! 👍👍 would buy again 🙂",
    "Volcanic ash closed eleven airports, and railway companies ran extra trains through the night.",
)


def _longer() -> tuple[str, ...]:
    """Return texts of one to twelve sentences."""
    many = len(_SENTENCES)
    return tuple(
        " ".join(_SENTENCES[(1 + 7 * number + 5 * place) % many] for place in range(1 + number)) for number in range(12)
    )


SAMPLE = (*_SENTENCES, *_longer(), "word " * 400, "x" * 600, "a", "", " \n ")
"""One sentence to more than most models read whole, in several scripts."""


@dataclass(frozen=True, slots=True)
class Bound:
    """How near converted vectors must be to the original's, as cosines: the least of all texts, and their mean."""

    least: float
    mean: float


BOUNDS: Mapping[Precision, Bound] = {
    "fp32": Bound(0.9999, 0.9999),
    "bf16": Bound(0.9999, 0.9999),
    "int8": Bound(0.99, 0.995),
}


def fault(vectors: Vectors, original: Vectors, precision: Precision) -> str | None:
    """Say how unit vectors of the sample differ from the original's; None when they are near enough."""
    if vectors.shape != original.shape or not np.isfinite(vectors).all():
        return "its vectors have another length, or numbers that are not finite"
    cosines = np.sum(vectors.astype(np.float64) * original, axis=1)
    bound = BOUNDS[precision]
    if cosines.min() >= bound.least and cosines.mean() >= bound.mean:
        return None
    return (
        f"its vectors are not near enough to the original's: cosine {cosines.mean():.5f}, "
        f"at least {cosines.min():.5f}, where {precision} must have {bound.mean} and {bound.least}"
    )
