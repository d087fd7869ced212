"""The documentation as data: its pages, their fenced blocks, tables, headings, links and inline code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced example; `line` is that of its first line."""

    page: Path
    line: int
    language: str
    text: str

    @property
    def id(self) -> str:
        """Where it stands, for the name of a test."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(*languages: str, page: str | None = None) -> list[Block]:
    """Return the fenced examples in these languages, of one page or of all."""
    return [
        Block(path, text.count("\n", 0, match.start()) + 2, match[1], match[2])
        for path in PAGES
        if page in {None, str(path.relative_to(ROOT))}
        for text in [path.read_text(encoding="utf-8")]
        for match in _FENCE.finditer(text)
        if match[1] in languages
    ]


def prose(path: Path) -> str:
    """Return a page without its fenced examples."""
    return _FENCE.sub("", path.read_text(encoding="utf-8"))


def inline_code(path: Path) -> list[str]:
    """Return what stands between backticks in a page's prose."""
    return re.findall(r"(?<!`)`([^`\n]+)`(?!`)", prose(path))


def rows(path: Path, heading: str) -> Iterator[list[str]]:
    """Yield the cells of each row of the tables under a heading."""
    section = re.split(
        r"^#+ ", path.read_text(encoding="utf-8").partition(f"# {heading}\n")[2], maxsplit=1, flags=re.MULTILINE
    )[0]
    for line in section.splitlines():
        if line.startswith("|") and not set(line) <= set("|- "):
            yield [cell.strip() for cell in line.strip("|").split("|")]


def anchors(path: Path) -> set[str]:
    """Return the anchors that a reader can jump to, made from the headings as web hosts make them."""
    headings = re.findall(r"^#+ (.+)$", prose(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands(block: Block) -> list[str]:
    """Return the command lines of a shell example, continued lines joined, comments left out."""
    joined = re.sub(r"\\\n\s*", "", block.text)
    lines = [re.sub(r"(^|\s)#.*$", "", line).strip() for line in joined.splitlines()]
    return [line for line in lines if line]
