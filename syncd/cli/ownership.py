"""Who owns an embedded knowledge base: this command, a daemon, or another command (invariant 5)."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from syncd.config.settings import Settings
from syncd.errors import InUse
from syncd.knowledge.chroma.lock import holder_of
from syncd.parts import Parts

DAEMON = "syncd run"
SHORT = frozenset({"syncd search", "syncd check", "syncd why", "syncd kb"})
PATIENCE_SECONDS = 20.0
POLL_SECONDS = 0.2


def holder(role: str) -> dict[str, str]:
    """Say who opens knowledge bases, for the message that others get."""
    return {"pid": str(os.getpid()), "role": role, "since": datetime.now(UTC).isoformat()}


def running_daemon(settings: Settings) -> Mapping[str, str] | None:
    """Return what a daemon that owns a knowledge base of a configuration says of itself, None where there is none.

    Nothing is opened. A daemon whose knowledge bases are all on servers owns none, and is not found; it follows changes
    of the state by itself.
    """
    paths = (getattr(config.store.options, "path", None) for config in settings.knowledge_bases.values())
    holders = (holder_of(Path(path)) for path in paths if path is not None)
    return next((found for found in holders if found.get("role") == DAEMON and "url" in found), None)


def owning_daemon(parts: Parts, knowledge_base: str) -> Mapping[str, str] | None:
    """Open a knowledge base for this command, which keeps it, unless a daemon owns it.

    Commands that are over soon are waited for.

    Returns:
        What the daemon says of itself (`pid`, `role`, `since`, `url`), or None when the knowledge base is ours.

    Raises:
        InUse: another command owns it.
        SyncdError: as `Parts.shelf` raises.
    """
    patience = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            with parts.shelf(knowledge_base):
                return None
        except InUse as error:
            if error.holder.get("role") == DAEMON:
                return error.holder
            if error.holder.get("role") not in SHORT or time.monotonic() > patience:
                raise
            time.sleep(POLL_SECONDS)
