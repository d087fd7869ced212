"""Types become classes: those that syncd brings along, and those of installed packages."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from syncd.config.settings import Kind, PartConfig
from syncd.errors import NotFound, PermanentError
from syncd.plugins import BUILT_IN, GROUPS, Plugins

MODULE = '''
from dataclasses import dataclass

import numpy as np

from syncd.model.fields import Model


class EchoOptions(Model):
    dimension: int = 3


class EchoEmbedder:
    """Gives every text the vector of its length."""

    Options = EchoOptions
    fingerprint = "echo"
    max_tokens = 100

    def __init__(self, options):
        self.dimension = options.dimension

    def count_tokens(self, texts):
        return [len(text) for text in texts]

    def embed(self, texts):
        return np.array([[len(text)] * self.dimension for text in texts], dtype=np.float32)


class WholeChunker:
    """Leaves every text whole."""

    class Options(Model):
        pass

    fingerprint = "whole"

    def __init__(self, options, embedder):
        self.embedder = embedder

    def split(self, texts):
        return [[text] for text in texts]


class NoOptions:
    pass


class OtherSource:
    class Options(Model):
        pass
'''

ENTRY_POINTS = """
[syncd.embedders]
echo = {name}:EchoEmbedder
broken = {name}_broken:Embedder
missing = {name}:DoesNotExist
bare = {name}:NoOptions

[syncd.chunkers]
whole = {name}:WholeChunker

[syncd.sources]
sql = {name}:OtherSource
"""

Install = Callable[[str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Lay out a package with entry points, as an installer would, on the path."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(tmp_path))

    def lay_out(name: str) -> None:
        (tmp_path / f"{name}.py").write_text(MODULE)
        (tmp_path / f"{name}_broken.py").write_text("raise RuntimeError('the library is too old')\n")
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(ENTRY_POINTS.format(name=name))

    yield lay_out
    for name in set(sys.modules) - before:
        if name.startswith("syncd_plugin"):
            del sys.modules[name]


def test_an_installed_plugin_is_made_from_its_options(install: Install) -> None:
    """Embedder and chunker come from the package, each with its own options."""
    install("syncd_plugin_a")
    plugins = Plugins()
    options = plugins.options_for("embedder", "echo").model_validate({"dimension": 2})
    embedder = plugins.embedder(PartConfig("embedder", "echo", options))
    assert embedder.embed(["abc"]).tolist() == [[3.0, 3.0]]
    chunker = plugins.chunker(PartConfig("chunker", "whole", plugins.options_for("chunker", "whole")()), embedder)
    assert chunker.split(["a b"]) == [["a b"]]


def test_known_types_are_the_built_in_and_the_installed(install: Install) -> None:
    """Names are listed in order, without importing anything."""
    install("syncd_plugin_b")
    assert set(Plugins(offered=()).known("embedder")) == set(BUILT_IN["embedder"])
    known = Plugins().known("embedder")
    assert {"echo", "broken", "hashing", "sentence-transformers"} <= set(known)
    assert known == sorted(known)
    assert "syncd_plugin_b" not in sys.modules


def test_an_unknown_type_lists_those_that_are_known() -> None:
    """The error says what could have been meant."""
    with pytest.raises(NotFound, match=r'no embedder type "hsahing" \(did you mean hashing\?\)'):
        Plugins(offered=()).options_for("embedder", "hsahing")
    with pytest.raises(NotFound, match=r'no knowledge base type "xyz" \(known: chroma\)'):
        Plugins(offered=()).options_for("knowledge_base", "xyz")


def test_a_broken_plugin_fails_only_when_it_is_asked_for(install: Install) -> None:
    """Its neighbours work; the error names it and what it said."""
    install("syncd_plugin_c")
    plugins = Plugins()
    assert plugins.options_for("embedder", "echo").__name__ == "EchoOptions"
    with pytest.raises(
        PermanentError, match='"broken" cannot be loaded: RuntimeError: the library is too old'
    ) as caught:
        plugins.options_for("embedder", "broken")
    assert isinstance(caught.value.__cause__, RuntimeError)
    with pytest.raises(PermanentError, match='"missing" cannot be loaded: AttributeError'):
        plugins.options_for("embedder", "missing")


def test_a_class_without_options_is_no_plugin(install: Install) -> None:
    """The error says what is missing."""
    install("syncd_plugin_d")
    with pytest.raises(PermanentError, match=r'"bare" is no plugin: .* has no Options that is a pydantic model'):
        Plugins().options_for("embedder", "bare")


def test_two_packages_cannot_offer_one_type(install: Install) -> None:
    """Which one would win must not depend on the order of the path."""
    install("syncd_plugin_e")
    install("syncd_plugin_f")
    with pytest.raises(PermanentError, match="offered twice, by syncd_plugin_e:EchoEmbedder and syncd_plugin_f:Echo"):
        Plugins().options_for("embedder", "echo")


def test_a_built_in_type_cannot_be_replaced(install: Install) -> None:
    """A package cannot put itself in the place of what syncd brings along."""
    install("syncd_plugin_g")
    assert set(Plugins().options_for("source", "sql").model_fields) >= {"url", "max_hold"}


def test_parts_are_all_types_that_load(install: Install) -> None:
    """A broken plugin does not keep the others out of the schema."""
    install("syncd_plugin_h")
    parts = Plugins().parts()
    assert "echo" in parts["embedder"]
    assert not {"broken", "bare", "missing"} & set(parts["embedder"])


@pytest.mark.parametrize(("kind", "type_"), [(kind, name) for kind, types in BUILT_IN.items() for name in types])
def test_every_built_in_type_loads(kind: Kind, type_: str) -> None:
    """Each has options whose fields are all described."""
    options = Plugins(offered=()).options_for(kind, type_)
    assert all(field.description for field in options.model_fields.values())


def test_built_in_types_are_declared_as_entry_points() -> None:
    """The package's own metadata, which other programs read, names the same classes."""
    from importlib.metadata import distribution

    declared = {(entry.group, entry.name) for entry in distribution("syncd").entry_points}
    assert declared >= {(GROUPS[kind], name) for kind, types in BUILT_IN.items() for name in types}
