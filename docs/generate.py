"""Writes the files that are made from the models: the configuration's reference and its JSON Schema.

python docs/generate.py
"""

from __future__ import annotations

import json
from pathlib import Path

from syncd.config.reference import reference
from syncd.config.schema import json_schema
from syncd.plugins import Plugins

ROOT = Path(__file__).parent.parent


def generated() -> dict[Path, str]:
    """Return what each generated file must hold, by its path."""
    parts = Plugins(offered=()).parts()
    return {
        ROOT / "docs" / "config.md": reference(parts),
        ROOT / "config" / "syncd.schema.json": json.dumps(json_schema(parts), indent=2) + "\n",
    }


if __name__ == "__main__":
    for path, text in generated().items():
        path.write_text(text, encoding="utf-8")
