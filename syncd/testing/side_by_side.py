"""What a knowledge base must do while another thread uses it; a part of `KnowledgeBaseContract`."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from syncd.model.record import Fingerprint
from syncd.ports import KnowledgeBase
from syncd.testing.documents import numbered


class SideBySideContract:
    """The calls of two threads."""

    def test_documents_are_compared_while_others_are_written(self, knowledge_base: KnowledgeBase) -> None:
        """Another thread may compare the next rows meanwhile, and finds of each document one version, or none."""
        resting = [numbered(f"resting {number}", 1 + number % 2) for number in range(100)]
        versions = [[numbered(f"d{number}", 1 + number % 3, version) for number in range(100)] for version in range(4)]
        known = {one.id: one.fingerprint for one in resting}
        possible = [{one.id: one.fingerprint for one in documents} for documents in versions]
        ids = [*known, *possible[0]]
        knowledge_base.upsert(resting)

        def write() -> None:
            for documents in versions:
                knowledge_base.upsert(documents)
            knowledge_base.delete([one.id for one in versions[-1]])

        def answers(writing: Future[None]) -> Iterator[dict[str, Fingerprint]]:
            while not writing.done():
                yield knowledge_base.fingerprints(ids)

        with ThreadPoolExecutor(1) as pool:
            writing = pool.submit(write)
            for answer in answers(writing):
                assert {id_: answer.get(id_) for id_ in known} == known
                for id_, print_ in answer.items() - known.items():
                    # One that is under way may also have a fingerprint that no row has.
                    assert not print_.content or print_ in [version[id_] for version in possible]
            writing.result()
        assert knowledge_base.fingerprints(ids) == known
        assert knowledge_base.count() == sum(len(one.chunks) for one in resting)
