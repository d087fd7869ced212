"""The generations of one open knowledge base: which of them runs fill, and which of them searches find."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import cast

from syncd.config.settings import KnowledgeBaseConfig, PartConfig
from syncd.errors import Conflict, NotFound, OtherEmbedding, PermanentError, SyncdError, TransientError, Unavailable
from syncd.generational import Generational
from syncd.model.generation import Generation, GenerationState
from syncd.model.record import Match, Metadata
from syncd.plugins import Plugins
from syncd.ports import Chunker, Embedder, KnowledgeBase
from syncd.recall import Recall
from syncd.recipe import config_of, recipe_of

log = logging.getLogger(__name__)

TRUSTED_SECONDS = 2.0
"""How long searches go without asking whether another process has swapped generations."""


@dataclass(frozen=True, slots=True)
class Target:
    """An open generation with what fills it.

    Args:
        recall: finds chunks that are embedded already.
        filling: the generation, while it is not the one that serves.
    """

    embedder: Embedder
    chunker: Chunker
    knowledge_base: KnowledgeBase
    recall: Recall = field(default_factory=Recall)
    filling: Generation | None = None


class Shelf:
    """An open knowledge base with all of its generations.

    Args:
        name: the knowledge base's.
        config: what it is made of.
        plugins: the classes behind its types.
        lend: makes an embedder, or lends one that was made.
        holder: who opens it, for the message of a lock.

    Raises:
        SyncdError: as opening a knowledge base raises; but one that another embedding has filled is open for searches.
    """

    def __init__(
        self,
        name: str,
        config: KnowledgeBaseConfig,
        plugins: Plugins,
        lend: Callable[[PartConfig], Embedder],
        holder: Mapping[str, str],
    ) -> None:
        self._name = name
        self._config = config
        self._plugins = plugins
        self._lend = lend
        self._embedder = lend(config.embedder)
        self._chunker = plugins.chunker(config.chunking, self._embedder)
        self.embedding = embedding_of(self._embedder, self._chunker)
        self._lock = threading.RLock()
        self._bases: dict[str, KnowledgeBase] = {}
        self._seen: tuple[float, list[Generation]] = (float("-inf"), [])
        self._searched: tuple[str, Embedder] | None = None
        self._store = self._open(holder)
        try:
            self._bases[self._store.identity().uuid] = self._store
            self._describe()
        except BaseException:
            self._store.close()
            raise

    @property
    def can_rebuild(self) -> bool:
        """Whether its store can hold a new generation beside the old one."""
        return hasattr(self._store, "generations")

    def generations(self) -> list[Generation]:
        """Return all generations as they are now."""
        if self.can_rebuild:
            found = self._generational().generations()
        else:
            found = [Generation(self._store.identity().uuid, self.embedding, GenerationState.SERVING)]
        self._seen = (time.monotonic(), found)
        return found

    def knowledge_base(self, uuid: str) -> KnowledgeBase:
        """Return a generation as a knowledge base. Raises NotFound."""
        if not self.can_rebuild:
            return self._store
        with self._lock:
            if uuid not in self._bases:
                self._bases[uuid] = self._generational().generation(uuid)
            return self._bases[uuid]

    def target(self) -> Target:
        """Return the generation that runs fill.

        Raises:
            OtherEmbedding: it is filled by another embedding than the configuration's.
        """
        found = self.generations()
        current = self._of(GenerationState.FILLING) or self._of(GenerationState.SERVING)
        if current is None:
            raise self._gone()
        if current.embedding != self.embedding:
            raise OtherEmbedding(self._name, current.embedding, self.embedding)
        base = self.knowledge_base(current.uuid)
        if current.state is GenerationState.SERVING:
            return Target(self._embedder, self._chunker, base)
        others = [one for one in found if one.uuid != current.uuid and one.embedding == current.embedding]
        recall = Recall([self.knowledge_base(one.uuid) for one in others] if current.recalls else ())
        return Target(self._embedder, self._chunker, base, recall, current)

    def search(self, text: str, k: int, where: Metadata) -> list[Match]:
        """Find the chunks of the serving generation that are nearest in meaning to a text.

        Raises:
            Unavailable: the embedder that it was filled with cannot be made again.
        """
        serving = self.serving(trusted=TRUSTED_SECONDS)
        try:
            return self._find(serving, text, k, where)
        except TransientError:
            now = self.serving()
            if now.uuid == serving.uuid:
                raise
            return self._find(now, text, k, where)

    def serving(self, trusted: float = 0.0) -> Generation:
        """Return the generation that serves.

        Args:
            trusted: how many seconds the last look may be old.

        Raises:
            TransientError: there is none any more.
        """
        # Between the two renames of another process's swap nothing serves, for a moment.
        serving = self._of(GenerationState.SERVING, trusted) or self._of(GenerationState.FILLING, trusted)
        if serving is None:
            raise self._gone()
        return serving

    def begin(self, *, recalls: bool) -> tuple[Generation, bool]:
        """Begin to fill a new generation, unless one is being filled.

        Args:
            recalls: whether to take vectors of the others where they are the same.

        Returns:
            The one that is filled now, and whether it is new.

        Raises:
            Conflict: one is being filled by another embedding, or the store keeps only one.
        """
        store = self._generational()
        with self._lock:
            self.generations()
            before = self._of(GenerationState.FILLING)
            filling = before or store.begin(self.embedding, recipe_of(self._config.embedder), recalls=recalls)
            if filling.embedding != self.embedding:
                raise Conflict(
                    f"{filling.embedding} is filling a new generation of the knowledge base {self._name}",
                    f"`syncd kb drop-generation {self._name} {filling.uuid}` gives it up",
                )
            return filling, before is None

    def swap(self, uuid: str) -> bool:
        """Let a generation that is being filled serve; tells whether it is still there, and did not serve before."""
        with self._lock:
            filling = self._of(GenerationState.FILLING, trusted=0)
            if filling is None or filling.uuid != uuid:
                return False
            self._generational().swap(uuid)
            self.generations()
            return True

    def drop(self, uuid: str) -> None:
        """Remove a generation with all that it holds.

        Raises:
            Conflict: it serves.
            NotFound: there is none.
        """
        if uuid not in {one.uuid for one in self.generations()}:
            raise NotFound(
                f"the knowledge base {self._name} has no generation {uuid[:64]!r}", "`syncd kb list` shows them"
            )
        with self._lock:
            self._generational().drop(uuid)
            self._bases.pop(uuid, None)
        self.generations()

    def is_worn(self) -> bool:
        """Tell whether the store says that it should be opened again."""
        worn = getattr(self._store, "is_worn", None)
        return worn is not None and bool(worn())

    def close(self) -> None:
        """Let go of the store and of its lock."""
        self._store.close()

    def _open(self, holder: Mapping[str, str]) -> KnowledgeBase:
        def opened(embedding: str) -> KnowledgeBase:
            return self._plugins.knowledge_base(self._name, self._config.store, embedding, holder)

        try:
            return opened(self.embedding)
        except OtherEmbedding as error:
            store = opened(error.held)
            if not hasattr(store, "generations"):
                store.close()
                raise
            log.warning("%s", error)
            return store

    def _describe(self) -> None:
        """Have a generation of an older syncd say how its embedder is made, as long as the configuration knows."""
        serving = self._of(GenerationState.SERVING)
        if self.can_rebuild and serving is not None and serving.embedding == self.embedding and not serving.recipe:
            self._generational().describe(recipe_of(self._config.embedder))

    def _generational(self) -> Generational:
        if not self.can_rebuild:
            raise Conflict(
                f"a knowledge base of the type {self._config.store.type} holds one generation only",
                "make another knowledge base, and let the jobs fill that one",
            )
        return cast(Generational, self._store)

    def _of(self, state: GenerationState, trusted: float = float("inf")) -> Generation | None:
        at, found = self._seen
        if not found or time.monotonic() - at > trusted:
            found = self.generations()
        return next((one for one in found if one.state is state), None)

    def _find(self, serving: Generation, text: str, k: int, where: Metadata) -> list[Match]:
        embedder = self._embedder_of(serving)
        try:
            [vector] = embedder.embed([text]).tolist()
        except PermanentError as error:
            if embedder is self._embedder:
                raise
            raise self._unsearchable(str(error)) from error
        return self.knowledge_base(serving.uuid).search(vector, k, where)

    def _embedder_of(self, generation: Generation) -> Embedder:
        """Return what embeds the questions to a generation. Raises Unavailable."""
        if _is_of(self._embedder, generation):
            return self._embedder
        with self._lock:
            if self._searched is None or self._searched[0] != generation.uuid:
                self._searched = (generation.uuid, self._made_again(generation))
            return self._searched[1]

    def _made_again(self, generation: Generation) -> Embedder:
        if not generation.recipe:
            raise self._unsearchable("it does not say how that was made")
        try:
            embedder = self._lend(config_of(generation.recipe, self._config.embedder, self._plugins.options_for))
            known = embedder.fingerprint
        except SyncdError as error:
            raise self._unsearchable(str(error)) from error
        if not _is_of(embedder, generation):
            raise self._unsearchable(f"what its options make now is {known}")
        return embedder

    def _gone(self) -> TransientError:
        return TransientError(f"the knowledge base {self._name} is gone", "it was removed while syncd used it")

    def _unsearchable(self, reason: str) -> Unavailable:
        return Unavailable(
            f"the knowledge base {self._name} was filled by another embedder than the configuration's, "
            f"which cannot be used again: {reason}",
            f"searches work again when `syncd kb rebuild {self._name}` has come to its end",
        )


def embedding_of(embedder: Embedder, chunker: Chunker) -> str:
    """Return the fingerprint of what fills a knowledge base."""
    return f"{embedder.fingerprint} {chunker.fingerprint}"


def _is_of(embedder: Embedder, generation: Generation) -> bool:
    return generation.embedding.startswith(f"{embedder.fingerprint} ")
