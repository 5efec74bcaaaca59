"""The Penn Treebank tokenizer of Stanford CoreNLP 3.4.1 as the field runs it: lower case, without punctuation marks.

There is no other under this name: published scores hang on its details. One of them: brackets stay, as -lrb- and -rrb-,
because the marks that are left out are spelt in capitals and the words are not.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from mcg.metrics.captioning.java import Java, JavaError, package_file

# What the tokenizer takes for the end of a line.
_BREAKS = re.compile(r"[\n\r\v\f\u2028\u2029]")


def tokenize(texts: Sequence[str], java: Java, limit_s: float) -> list[str]:
    """The tokens of each text, joined by spaces; "" for a text of punctuation marks only. Raises JavaError.

    A line break of any kind counts as a space (pycocoevalcap: of one kind; others put captions under wrong videos).
    """
    from pycocoevalcap.tokenizer.ptbtokenizer import PUNCTUATIONS

    if not texts:
        return []
    jar = package_file("tokenizer", "stanford-corenlp-3.4.1.jar")
    program = (
        *("-Xmx1G", "-XX:TieredStopAtLevel=1", "-cp", str(jar)),  # the better compiler costs more than it saves
        *("edu.stanford.nlp.process.PTBTokenizer", "-preserveLines", "-lowerCase"),
    )
    given = "".join(_BREAKS.sub(" ", text) + "\n" for text in texts).encode("utf-8", "replace")
    lines = java.run("the tokenizer", program, given, limit_s).decode("utf-8", "replace").split("\n")
    if len(lines) != len(texts) + 1 or lines.pop():
        raise JavaError(f"the tokenizer gave {len(lines):,} lines for {len(texts):,} captions: not version 3.4.1?")
    marks = set(PUNCTUATIONS)
    return [" ".join(word for word in line.rstrip().split(" ") if word not in marks) for line in lines]
