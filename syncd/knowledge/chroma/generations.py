"""The generations of a knowledge base: collections of one store, told apart by their names.

    NAME                        the one that serves
    NAME.syncd-next             the one that is filled
    NAME.syncd-former-<uuid>    one that has served, with the first digits of its identity

A swap is two renames. In between nothing has the name, and the next opening completes it; what is older goes last.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from syncd.errors import Conflict, NotFound
from syncd.knowledge.chroma.collection import NEXT, Binding, Bound, embedding_in, identity_in, is_ours
from syncd.model.generation import Generation, GenerationState
from syncd.model.record import Metadata

FORMER = ".syncd-former-"

_RECIPE = "syncd_recipe"
_RECALLS = "syncd_recalls"
_CREATED = "syncd_created"

_PAGE = 200


@dataclass(frozen=True, slots=True)
class Generations:
    """The generations of the knowledge base that a binding names.

    Args:
        binding: leads to the one that serves.
    """

    binding: Binding

    def all(self) -> list[Generation]:
        """Return all of them."""
        return [self._shown(model) for model in self._models()]

    def find(self, uuid: str) -> Bound:
        """Return one of them. Raises NotFound."""
        return self.binding.bound(self._model(uuid))

    def describe(self, generation: Bound, recipe: str) -> None:
        """Have one say how its embedder is made."""
        generation.say({_RECIPE: recipe})

    def begin(self, embedding: str, recipe: str, *, recalls: bool) -> Generation:
        """Make the one to fill, unless there is one; return it."""
        beside = self._beside(NEXT)
        about: Metadata = {_RECIPE: recipe, _RECALLS: recalls, _CREATED: datetime.now(UTC).isoformat()}
        return self._shown(beside.find() or beside.create(embedding, **about))

    def swap(self, uuid: str) -> None:
        """Let the filling one serve, and keep of those that served the last.

        Two processes may do this at the same time: each step is the same for both, and may be done twice.
        """
        coming = self._model(uuid)
        if self._state(coming) is not GenerationState.FILLING:
            return
        serving = self.binding.find()
        if serving is not None:
            former = self.binding.name + FORMER + identity_in(serving.metadata).uuid[:8]
            self.binding.bound(serving).rename(former)
        self.binding.bound(coming).rename(self.binding.name)
        for model in self._models():
            if serving is not None and self._state(model) is GenerationState.FORMER and model.id != serving.id:
                self._named(model.name).remove()

    def drop(self, uuid: str) -> None:
        """Remove one of them. Raises Conflict."""
        for model in self._models():
            if identity_in(model.metadata).uuid != uuid:
                continue
            if self._state(model) is GenerationState.SERVING:
                raise Conflict(
                    f"the generation {uuid} serves the knowledge base {self.binding.name}", "drop another one"
                )
            self._named(model.name).remove()

    def remove(self) -> None:
        """Remove all of them. Raises as `Binding.remove`."""
        self.binding.remove()
        for model in self._models():
            self._named(model.name).remove()

    def _beside(self, suffix: str) -> Binding:
        return self._named(self.binding.name + suffix)

    def _named(self, name: str) -> Binding:
        return Binding(self.binding.connection, name)

    def _model(self, uuid: str) -> Any:
        for model in self._models():
            if identity_in(model.metadata).uuid == uuid:
                return model
        raise NotFound(f"the knowledge base {self.binding.name} has no generation {uuid[:64]!r}", "`syncd kb list`")

    def _models(self) -> list[Any]:
        """Return what Chroma says of each of these collections."""
        where = self.binding.connection
        start, found = 0, []
        while page := where.api.list_collections(_PAGE, start, tenant=where.tenant, database=where.database):
            start += len(page)
            found += [model for model in page if self._state(model) is not None and is_ours(model.metadata)]
        return found

    def _state(self, model: Any) -> GenerationState | None:
        name = self.binding.name
        if model.name == name:
            return GenerationState.SERVING
        if model.name == name + NEXT:
            return GenerationState.FILLING
        return GenerationState.FORMER if model.name.startswith(name + FORMER) else None

    def _shown(self, model: Any) -> Generation:
        metadata: Metadata = model.metadata
        created = metadata.get(_CREATED)
        state = self._state(model)
        assert state is not None
        return Generation(
            uuid=identity_in(metadata).uuid,
            embedding=embedding_in(metadata),
            state=state,
            recipe=str(metadata.get(_RECIPE, "")),
            recalls=bool(metadata.get(_RECALLS)),
            created_at=datetime.fromisoformat(str(created)) if created else None,
        )
