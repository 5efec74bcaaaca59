"""The Prometheus text obeys the exposition format, read by a strict little parser; the JSON line is one object."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shards.loader.accounting import Accounting
from shards.loader.contention import Contention, Steps
from shards.loader.metrics import to_json_line, to_prometheus, write_metrics
from shards.loader.snapshot import STAGES, WAIT, Snapshot
from shards.loader.stats import HandedOver, Stats
from shards.loader.times import Times
from shards.order.plan import RunPosition
from tests.shards.fake_time import FakeTime

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
SAMPLE = re.compile(rf"({NAME})(?:\{{(.*)\}})? (\S+)")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)')


class Family(NamedTuple):
    kind: str
    samples: list[tuple[str, dict[str, str], float]]


def parse(text: str) -> dict[str, Family]:
    """Metric families of a text in exposition format 0.0.4; AssertionError for whatever the format forbids."""
    assert text.endswith("\n")
    families: dict[str, Family] = {}
    helped = ""
    series: set[tuple[str, tuple[tuple[str, str], ...]]] = set()
    for line in text.split("\n")[:-1]:
        assert line.strip() == line and line, repr(line)
        if line.startswith("# HELP "):
            helped = line.split(" ", 3)[2]
            assert re.fullmatch(NAME, helped) and helped not in families
            continue
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name == helped and kind in ("counter", "gauge", "histogram")
            families[name] = Family(kind, [])
            continue
        found = SAMPLE.fullmatch(line)
        assert found, repr(line)
        name, inner, value = found[1], found[2] or "", float(found[3])
        labels = read_labels(inner)
        family = families[helped]
        suffixes = ("_bucket", "_sum", "_count") if family.kind == "histogram" else ("",)
        assert name in [helped + suffix for suffix in suffixes], f"{name} is outside its family {helped}"
        assert value >= 0
        key = (name, tuple(sorted(labels.items())))
        assert key not in series, f"{key} twice"
        series.add(key)
        family.samples.append((name, labels, value))
    for name, family in families.items():
        assert family.samples, f"{name} has no samples"
        if family.kind == "histogram":
            check_histograms(name, family)
    return families


def read_labels(inner: str) -> dict[str, str]:
    labels, at = {}, 0
    while at < len(inner):
        found = LABEL.match(inner, at)
        assert found and found[1] not in labels, repr(inner)
        labels[found[1]] = re.sub(r"\\(.)", lambda m: {"n": "\n"}.get(m[1], m[1]), found[2])
        at = found.end()
    return labels


def check_histograms(name: str, family: Family) -> None:
    groups: dict[tuple[tuple[str, str], ...], dict[str, list[tuple[float, float]]]] = {}
    for sample, labels, value in family.samples:
        border = float(labels.get("le", "nan"))
        group = groups.setdefault(tuple(sorted(item for item in labels.items() if item[0] != "le")), {})
        group.setdefault(sample.removeprefix(name), []).append((border, value))
    for group in groups.values():
        borders = [border for border, _ in group["_bucket"]]
        counts = [count for _, count in group["_bucket"]]
        assert borders == sorted(set(borders)) and borders[-1] == float("inf") and counts == sorted(counts)
        assert len(group["_sum"]) == 1 and [count for _, count in group["_count"]] == counts[-1:]


def busy() -> Snapshot:
    with pytest.MonkeyPatch.context() as patch:
        clock, stats = FakeTime(patch), Stats()
        for nanoseconds in (500, 3_000, 40_000, 41_000, 2_000_000, 1 << 41):
            with stats.time("read"):
                clock.pass_by(nanoseconds / 1e9)
        with stats.time("collate", 32):
            clock.pass_by(10e-6)
        with stats.waiting():
            clock.pass_by(5e-3)
        stats.found(2, 3, 12345)
        counts = Accounting(planned=32, delivered=30, failed=2, substituted=2, failed_attempts=3)
        stats.handed = HandedOver(RunPosition(32, (32,)), 1, counts)
        stats.count_given_up()
        stats.count_given_up(threads=1)
        return stats.snapshot()


def test_every_number_of_a_snapshot_is_there() -> None:
    families = parse(to_prometheus(busy(), {"rank": 3, "run": "a"}))
    value = {
        (name, *(labels[k] for k in ("stage", "outcome", "le") if k in labels)): v
        for family in families.values()
        for name, labels, v in family.samples
    }
    assert all(labels["rank"] == "3" for f in families.values() for _, labels, _ in f.samples)
    assert value["shards_loader_stage_seconds_count", "read"] == 6
    assert value["shards_loader_stage_seconds_bucket", "read", "1.024e-06"] == 1
    assert value["shards_loader_stage_seconds_bucket", "read", "4.096e-06"] == 2
    assert value["shards_loader_stage_seconds_bucket", "read", "6.5536e-05"] == 4
    assert value["shards_loader_stage_seconds_bucket", "read", "1099.511627776"] == 5
    assert value["shards_loader_stage_seconds_bucket", "read", "+Inf"] == 6
    assert value["shards_loader_stage_seconds_sum", "wait"] == pytest.approx(0.005)
    assert value["shards_loader_stage_items_total", "collate"] == 32
    assert value["shards_loader_elements_total", "substituted"] == 2
    assert value["shards_loader_failed_attempts_total",] == 3
    assert value["shards_loader_batches_total",] == 1
    assert (value["shards_loader_given_up_total",], value["shards_loader_replaced_threads_total",]) == (2, 1)
    assert (value["shards_loader_queue_ready_batches",], value["shards_loader_queue_batches",]) == (2, 3)
    assert value["shards_loader_queue_bytes",] == 12345
    assert {kind for kind, _ in families.values()} == {"counter", "gauge", "histogram"}


def test_a_loader_that_did_nothing_yet_has_all_metrics() -> None:
    assert parse(to_prometheus(Stats().snapshot())).keys() == parse(to_prometheus(busy())).keys()


@settings(max_examples=50)
@given(value=st.text(st.characters(exclude_categories=["Cs"])))
def test_any_label_value_is_escaped(value: str) -> None:
    families = parse(to_prometheus(Stats().snapshot(), {"run": value}))
    [(_, labels, _)] = families["shards_loader_batches_total"].samples
    assert labels == {"run": value}


@pytest.mark.parametrize("name", ["", "9a", "a-b", "a b", "__x", "stage", "le", 'a="b",c', "a\n"])
def test_a_label_that_prometheus_would_refuse_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"must match \[A-Za-z_\]\[A-Za-z0-9_\]\*.*rename it"):
        to_prometheus(Stats().snapshot(), {name: "x"})


def test_the_json_line_is_one_object_with_quantiles() -> None:
    line = to_json_line(busy(), {"rank": 3})
    assert "\n" not in line
    content = json.loads(line)
    assert content["rank"] == 3 and set(content["stages"]) == {*STAGES, WAIT}
    read = content["stages"]["read"]
    assert (read["count"], read["items"]) == (6, 6)
    assert read["p50"] == pytest.approx(41e-6, rel=0.07) and read["p90"] > 1000
    assert content["stages"]["encode"] == {
        "count": 0, "items": 0, "items_per_second": 0, "seconds": 0, "p50": 0, "p90": 0, "p99": 0,
    }  # fmt: skip
    assert content["slowest_stage"] == "read"
    assert content["queue"] == {"mean_ready": 2, "empty": 0, "last_ready": 2, "last_batches": 3, "last_bytes": 12345}
    assert content["elements"]["delivered"] == 30
    assert (content["given_up"], content["replaced_threads"]) == (2, 1)


def test_a_metrics_file_is_replaced_whole_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "loader.prom"
    for text in ("one 1\n", "two 2\n"):
        write_metrics(file, text)
        assert file.read_text() == text
    assert [path.name for path in tmp_path.iterdir()] == ["loader.prom"]
    with pytest.raises(OSError, match="nowhere"):
        write_metrics(tmp_path / "nowhere" / "loader.prom", "x 1\n")


def test_what_a_step_loses_is_told_once_it_is_known() -> None:
    empty = {stage: Times() for stage in (*STAGES, WAIT)}
    unknown = Snapshot(empty, cpu_seconds=1.5)
    families = parse(to_prometheus(unknown))
    assert families["shards_loader_cpu_seconds_total"].samples[0][2] == 1.5
    assert "shards_loader_lost_share" not in families
    line = json.loads(to_json_line(unknown))
    assert line["cpu_seconds"] == 1.5 and line["lost_share"] is None is line["lost_error"]

    compared = Contention(
        held=Steps(2, 2.0, 2.0, 0.0), free=Steps(2, 3.0, 4.5, 1.0)
    )  # 1 s, and 1.5 s with 0.5 s of CPU
    known = Snapshot(empty, cpu_seconds=1.0, contention=compared)
    families = parse(to_prometheus(known, {"rank": 0}))
    assert families["shards_loader_lost_share"].samples == [("shards_loader_lost_share", {"rank": "0"}, 0.2)]
    assert families["shards_loader_lost_share_error"].samples[0][2] == 0
    assert json.loads(to_json_line(known))["lost_share"] == 0.2
