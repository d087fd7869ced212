"""The package of docs/plugins.md, laid out as an installer lays it out."""

from __future__ import annotations

import tomllib
from pathlib import Path

from tests.docs.pages import blocks

PAGE = "docs/plugins.md"


def install(folder: Path) -> None:
    """Write the page's package into a folder; put that on the path to use it."""
    for block in blocks("python", "toml", page=PAGE):
        file = folder / block.text.partition("\n")[0].removeprefix("# ")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(block.text)
    package = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    info = folder / f"{package['name'].replace('-', '_')}-{package['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package['name']}\nVersion: {package['version']}\n")
    lines = []
    for group, entries in package["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in entries.items())]
    (info / "entry_points.txt").write_text("\n".join(lines))
