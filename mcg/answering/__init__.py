"""Ways of answering a question about a clip, and of choosing among answers, one file each: what training needs, and the
best answers.

A new way is one file and a line in `ANSWERINGS` or `CHOOSINGS` (docs/adding.md).
"""

from __future__ import annotations

from mcg.answering.answer_slot import AnswerSlot
from mcg.answering.answering import Answering
from mcg.answering.choice import Choosing, LikelihoodChoice
from mcg.answering.classification import Classification
from mcg.answering.classified_choice import ClassifiedChoice
from mcg.answering.generation import Generation
from mcg.answering.masked_word import MaskedWord
from mcg.answering.matching_choice import MatchingChoice
from mcg.answering.numbered_choice import NumberedChoice
from mcg.answering.ranking import Ranking

ANSWERINGS: dict[str, type[Answering]] = {
    "generation": Generation,
    "ranking": Ranking,
    "classification": Classification,
    "masked_word": MaskedWord,
    "answer_slot": AnswerSlot,
}
"""`task.answering` -> its class."""

CHOOSINGS: dict[str, type[Choosing]] = {
    "likelihood": LikelihoodChoice,
    "matching": MatchingChoice,
    "numbered": NumberedChoice,
    "classification": ClassifiedChoice,
}
"""`task.choosing` -> its class."""
