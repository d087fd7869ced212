"""Knowledge bases in Chroma: the layout is in `layout`, the order of writing in `knowledge_base`."""

from syncd.knowledge.chroma.knowledge_base import ChromaKnowledgeBase

__all__ = ["ChromaKnowledgeBase"]
