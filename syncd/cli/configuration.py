"""What commands need before they can begin: the settings, the plugins, the state."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from syncd.config.settings import Settings
    from syncd.parts import Parts
    from syncd.plugins import Plugins
    from syncd.reload import Configuration
    from syncd.state import State


def load_settings(config: Path | None, plugins: Plugins) -> Settings:
    """Find and read the configuration.

    Args:
        config: as given with --config.
        plugins: the types that the configuration may name.

    Raises:
        ConfigError: there is none, or it is faulty.
    """
    from syncd.config.load import find, load

    return load(find(config, os.environ), os.environ, plugins.options_for)


def main_file(config: Path | None) -> Path:
    """Return the configuration's main file, as `load_settings` would use it."""
    from syncd.config.load import FILE, find

    found = find(config, os.environ)
    return found / FILE if found.is_dir() else found


def watched(config: Path | None, plugins: Plugins) -> Configuration:
    """Return the configuration as the daemon wants it: to be read again when its files have changed."""
    from syncd.config.load import JOBS_FOLDER
    from syncd.reload import Configuration

    def changed() -> object:
        main = main_file(config)
        folder = main.parent / JOBS_FOLDER
        files = sorted([main, *folder.glob("*.yaml"), *folder.glob("*.yml")])
        return [(str(file), _stamp(file)) for file in files]

    return Configuration(load=lambda: load_settings(config, plugins), changed=changed)


def existing_state(settings: Settings) -> State | None:
    """Open the state, or return None where nothing has been kept yet; a look must not make files.

    Raises:
        Unavailable: the state does not answer, or is lost.
    """
    from syncd.state import State

    url = settings.state.get_secret_value()
    return None if State.is_new(url) else State.open(url)


def parts_of(settings: Settings, plugins: Plugins, role: str, state: State | None) -> Parts:
    """Make the parts for a command: those of the configuration, and the knowledge bases that the state knows besides.

    Args:
        settings: the configuration.
        plugins: the classes behind its types.
        role: what others are told about who opens a knowledge base.
        state: None where nothing has been kept yet, or nothing of it is needed.
    """
    from syncd.cli.ownership import holder
    from syncd.parts import Parts

    return Parts(settings, plugins, holder(role), () if state is None else state.knowledge_bases.list())


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    # A file that is put in place by a rename may keep an old time; it does not keep the inode.
    return found.st_mtime_ns, found.st_size, found.st_ino
