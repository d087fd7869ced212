"""Reads the configuration again while the daemon runs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from syncd.config.settings import Settings
from syncd.errors import ConfigError, SyncdError
from syncd.jobs import JobService
from syncd.parts import Parts
from syncd.scheduler import Scheduler

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Configuration:
    """Where settings come from, so that they can be read again.

    Args:
        load: reads them.
        changed: returns a value that differs once the files have changed.
    """

    load: Callable[[], Settings]
    changed: Callable[[], object]

    def stamp(self) -> object:
        """Return a value that differs once the files have changed, or are gone."""
        try:
            return self.changed()
        except SyncdError as error:
            return str(error)


class Reload:
    """The configuration as it was last read, and what is to be told when it changes.

    Args:
        configuration: where it comes from.
        seen: the stamp of its files before they were read.
        settings: what was read.
        jobs, parts, scheduler: told of changes.
    """

    def __init__(
        self,
        configuration: Configuration,
        seen: object,
        settings: Settings,
        jobs: JobService,
        parts: Parts,
        scheduler: Scheduler,
    ) -> None:
        self._configuration = configuration
        self._seen = seen
        self._settings = settings
        self._jobs = jobs
        self._parts = parts
        self._scheduler = scheduler

    def follow(self, asked: threading.Event) -> bool:
        """Read the configuration again when that was asked for or its files have changed.

        An invalid one is told, and changes nothing.

        Args:
            asked: whether it was asked for; is cleared.

        Returns:
            Whether other settings hold now.

        Raises:
            Unavailable: the state does not answer; the next call tries again.
        """
        stamp = self._configuration.stamp()
        if not asked.is_set() and stamp == self._seen:
            return False
        asked.clear()
        self._seen = stamp
        try:
            settings = self._configuration.load()
        except ConfigError as error:
            log.error("the configuration is invalid, the jobs stay as they were:\n%s", error)
            return False
        self._parts.configure(settings)
        try:
            self._scheduler.update(self._jobs.reconcile(settings.jobs, settings.places))
        except SyncdError:
            asked.set()
            raise
        for name in ("state", "server", "limits", "webhooks"):
            if getattr(settings, name) != getattr(self._settings, name):
                log.warning("%s is configured anew: restart to apply it", name)
        self._settings = settings
        log.info("the configuration was read again: %s jobs", len(settings.jobs))
        return True
