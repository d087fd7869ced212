"""Reading a configuration stays cheap."""

from __future__ import annotations

import subprocess
import sys


def test_loading_needs_no_heavy_library() -> None:
    """`syncd check` of a file must not wait for models, stores or databases to be imported."""
    heavy = "{'sqlalchemy', 'torch', 'pandas', 'chromadb', 'numpy', 'fastapi', 'sentence_transformers'}"
    code = f"import sys, syncd.config.load; print(sorted({heavy} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
