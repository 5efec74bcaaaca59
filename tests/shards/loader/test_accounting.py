"""Accounting: the identities hold or an error says what does not fit."""

from __future__ import annotations

import pytest

from shards.base.errors import AccountingError
from shards.loader.accounting import Accounting


def test_the_identity_holds_or_raises() -> None:
    Accounting(planned=10, delivered=8, failed=2, substituted=2).check(training=True)
    Accounting(planned=10, delivered=8, failed=2).check(training=False)
    for wrong in (
        Accounting(planned=10, delivered=8, failed=1, substituted=1),
        Accounting(planned=10, delivered=8, failed=2, substituted=1),
    ):
        with pytest.raises(AccountingError, match=r"planned 10 must equal delivered 8 \+ failed"):
            wrong.check(training=True)
    with pytest.raises(AccountingError, match="and substituted 2 must equal 0"):
        Accounting(planned=10, delivered=8, failed=2, substituted=2).check(training=False)


def test_ranks_add_up_and_tried_counts_every_attempt() -> None:
    one = Accounting(planned=4, delivered=3, failed=1, substituted=1, failed_attempts=2, padded=0)
    two = one + one
    assert two.planned == 8 and two - one == one
    assert one.tried == 6  # three planned ones, the failed one, a failed substitute, the good substitute
