"""`syncd config`: the configuration itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from syncd.cli.options import ConfigOption, JsonOption, example
from syncd.cli.terminal import Terminal

if TYPE_CHECKING:
    from pydantic import BaseModel

    from syncd.config.settings import PartConfig, Settings

app = typer.Typer(
    name="config",
    no_args_is_help=True,
    help="Show the configuration, its file and its schema.",
    epilog=example("syncd config show", "syncd config path", "syncd config schema > config/syncd.schema.json"),
)


@app.command(epilog=example("syncd config schema > config/syncd.schema.json"))
def schema() -> None:
    """Print the JSON Schema of the file.

    Editors complete and check configuration files with it.
    """
    from syncd.config.schema import json_schema
    from syncd.plugins import Plugins

    Terminal().data(json_schema(Plugins().parts()))


@app.command(epilog=example("syncd config path"))
def path(config: ConfigOption = None) -> None:
    """Print the file that would be used."""
    from syncd.cli.configuration import main_file

    Terminal().say(str(main_file(config)))


@app.command(epilog=example("syncd config show", "syncd config show --config /etc/syncd --json"))
def show(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Print the settings in effect.

    Defaults and variables are filled in, secrets are hidden.
    """
    from io import StringIO

    from ruamel.yaml import YAML

    from syncd.cli.configuration import load_settings
    from syncd.plugins import Plugins

    terminal = Terminal()
    data = as_data(load_settings(config, Plugins()))
    if json:
        terminal.data(data)
        return
    text = StringIO()
    yaml = YAML()
    yaml.width = 120
    yaml.dump(data, text)
    terminal.say(text.getvalue().rstrip("\n"))


def as_data(settings: Settings) -> dict[str, Any]:
    """Return settings as a configuration file would say them, without a secret (invariant 10)."""
    return {
        "state": _masked(settings.state.get_secret_value()),
        "databases": {name: _part(part) for name, part in settings.databases.items()},
        "knowledge_bases": {
            name: {**_part(kb.store), "embedder": _part(kb.embedder), "chunking": _part(kb.chunking)}
            for name, kb in settings.knowledge_bases.items()
        },
        "jobs": {name: job.model_dump(mode="json", exclude_none=True) for name, job in settings.jobs.items()},
        "server": settings.server.model_dump(mode="json"),
        "limits": settings.limits.model_dump(mode="json"),
        "webhooks": settings.webhooks.model_dump(mode="json"),
    }


def _part(part: PartConfig) -> dict[str, Any]:
    return {"type": part.type, **_options(part.options)}


def _options(options: BaseModel) -> dict[str, Any]:
    from pydantic import SecretStr

    shown: dict[str, Any] = options.model_dump(mode="json", exclude_none=True)
    for name in shown:
        value = getattr(options, name)
        if isinstance(value, SecretStr):
            shown[name] = _masked(value.get_secret_value())
    return shown


def _masked(secret: str) -> str:
    """Show where a URL leads without what opens it; any other secret is hidden whole."""
    from syncd.telemetry import hide_passwords

    return hide_passwords(secret) if "://" in secret else "***"
