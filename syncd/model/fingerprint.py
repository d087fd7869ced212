"""Hashes that tell whether a document still says what its row says."""

from __future__ import annotations

import hashlib
import json

from syncd.model.record import Fingerprint, Metadata


def digest(text: str) -> str:
    """Return 128 bits of BLAKE2b as 32 hexadecimal characters."""
    return hashlib.blake2b(text.encode("utf-8"), digest_size=16).hexdigest()


def fingerprint(text: str, metadata: Metadata) -> Fingerprint:
    """Return the fingerprint of a document made from this text and metadata."""
    canonical = json.dumps(dict(metadata), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return Fingerprint(content=digest(text), metadata=digest(canonical))
