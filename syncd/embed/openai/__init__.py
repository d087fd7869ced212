"""An embedder whose model is behind HTTP, on a server that answers as OpenAI's does."""

from syncd.embed.openai.embedder import OpenAiEmbedder
from syncd.embed.openai.options import OpenAiOptions

__all__ = ["OpenAiEmbedder", "OpenAiOptions"]
