"""Ways of answering a question about a clip, one file each: what training needs, and the best answers.

A new way is one file and a line in `ANSWERINGS` (docs/adding.md).
"""

from __future__ import annotations

from mcg.answering.answering import Answering
from mcg.answering.classification import Classification
from mcg.answering.generation import Generation
from mcg.answering.ranking import Ranking

ANSWERINGS: dict[str, type[Answering]] = {
    "generation": Generation,
    "ranking": Ranking,
    "classification": Classification,
}
"""`task.answering` -> its class."""
