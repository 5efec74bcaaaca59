"""Text that would steer a terminal, forge a line or hide, and the check that none of it is left."""

from __future__ import annotations

import unicodedata

HOSTILE = "a\x1b]0;owned\x07b\x9b31mc\r\nerror: forged\u202egpj\u2066\u200b\ufeff\u00ad\U000e0041\u2028d\u2029\ud800e"


SAFE_FORMATS = "\u200c\u200d"


def is_safe(text: str) -> bool:
    """Whether no character of a line steers a terminal or hides, by Unicode's own categories."""
    steering = ("Cc", "Cf", "Cs", "Zl", "Zp")
    return all(unicodedata.category(char) not in steering or char in SAFE_FORMATS for char in text)
