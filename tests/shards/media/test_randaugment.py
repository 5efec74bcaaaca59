"""RandAugment as numbers: spaces, strengths and directions, corrected and as released."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shards.base.errors import ConfigError
from shards.media.randaugment import Op, RandAugment

FACTORS = ("brightness", "contrast", "sharpness")
configs = st.builds(
    RandAugment,
    num_ops=st.integers(1, 10),
    level=st.floats(0.5, 10),
    space=st.sampled_from(["video", "image"]),
    released=st.booleans(),
)


def drawn(num_draws: int = 400, size: int = 224, **config: object) -> list[tuple[Op, ...]]:
    made = RandAugment.model_validate(config)
    return [made.draw(size, np.random.default_rng(seed)) for seed in range(num_draws)]


def strengths(draws: list[tuple[Op, ...]]) -> dict[str, set[float]]:
    found: dict[str, set[float]] = {}
    for op in (op for ops in draws for op in ops):
        found.setdefault(op.name, set()).add(round(op.strength, 6))
    return found


@given(configs, st.integers(1, 400), st.integers(0, 2**32))
def test_operations_are_few_and_within_their_limits(config: RandAugment, size: int, seed: int) -> None:
    ops = config.draw(size, np.random.default_rng(seed))
    assert ops == config.draw(size, np.random.default_rng(seed))
    assert len(ops) <= config.num_ops
    if config.space == "video":
        assert len({op.name for op in ops}) == len(ops)
    else:
        assert not {"contrast", "flip"} & {op.name for op in ops}
    for name, strength in ops:
        assert type(strength) is float
        if name in FACTORS:
            assert 0.09 <= strength <= 1.91 and strength != 1
        else:
            assert strength != 0
        if name.startswith("translate"):
            assert strength == int(strength) and abs(strength) <= (10 if config.released else size * 10 / 224 + 0.5)


def test_level_five_goes_both_ways() -> None:
    assert strengths(drawn(level=5)) == {
        "brightness": {0.55, 1.45},
        "contrast": {0.55, 1.45},
        "sharpness": {0.55, 1.45},
        "shear_x": {-0.15, 0.15},
        "shear_y": {-0.15, 0.15},
        "translate_x": {-5.0, 5.0},
        "translate_y": {-5.0, 5.0},
        "rotate": {-15.0, 15.0},
        "flip": {1.0},
    }


def test_shifts_follow_the_size_of_the_clip() -> None:
    assert strengths(drawn(level=10, size=448))["translate_x"] == {-20.0, 20.0}
    assert strengths(drawn(level=10, size=448, released=True))["translate_x"] == {-10.0}


def test_the_released_strengths_never_turn_round_and_level_five_enhances_nothing() -> None:
    assert strengths(drawn(level=5, released=True)) == {
        "shear_x": {0.15},
        "shear_y": {0.15},
        "translate_x": {-5.0},
        "translate_y": {-5.0},
        "rotate": {15.0},
        "flip": {1.0},
    }
    image = strengths(drawn(level=7, space="image", released=True))
    assert image["brightness"] == image["sharpness"] == {1.36} and image["rotate"] == {21.0}
    assert image["shear_x"] == {0.21} and image["translate_y"] == {-7.0}


def test_of_the_video_space_all_ten_are_drawn_equally_often() -> None:
    draws = drawn(num_draws=2000)
    counts = Counter(op.name for ops in draws for op in ops)
    assert len(counts) == 9 and all(320 < count < 480 for count in counts.values())  # 2 of 10
    assert sum(len(ops) < 2 for ops in draws) == sum(2 - len(ops) for ops in draws)  # doing nothing comes once at most


def test_of_the_image_space_half_are_applied_and_some_twice() -> None:
    draws = drawn(num_draws=2000, space="image", level=7)
    counts = Counter(op.name for ops in draws for op in ops)
    assert len(counts) == 7 and all(190 < count < 320 for count in counts.values())  # 2 x 0.5 of 8
    assert any(len(ops) == 2 and ops[0].name == ops[1].name for ops in draws)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"num_ops": 0}, "num_ops"),
        ({"num_ops": 11}, "num_ops"),
        ({"level": 0}, "level"),
        ({"level": 11}, "level"),
        ({"space": "sound"}, "'video' or 'image'"),
        ({"magnitude": 5}, "magnitude: unknown field"),
    ],
)
def test_configs_that_make_no_sense_are_refused(config: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        RandAugment(**config)  # type: ignore[arg-type]
