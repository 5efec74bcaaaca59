"""A report names what is wrong, and the samples that cannot be used with their first reason."""

from dataclasses import asdict

from shards.dataset.checking.problems import ShardReport


def test_the_first_reason_of_a_sample_stays_and_a_harmless_problem_spoils_nothing() -> None:
    report = ShardReport("a.tar", 3)
    report.problem("a", ".jpg checksum", "1", "2")
    report.problem("b", "tar header", "x", "y", spoils=False)
    report.problem(None, "shard checksum", "1", "2")
    assert list(report.exclusions()) == [{"shard": "a.tar", "key": "a", "reason": ".jpg checksum: expected 1, found 2"}]
    report.spoil_all(["a", "b"], "shard size", "3 bytes", "2 bytes", first=True)
    assert [problem.what for problem in report.problems][:2] == ["shard size", ".jpg checksum"]
    assert report.bad == {"a": ".jpg checksum: expected 1, found 2", "b": "shard size: expected 3 bytes, found 2 bytes"}
    assert asdict(report.problems[0]) == {
        "shard": "a.tar",
        "key": None,
        "what": "shard size",
        "expected": "3 bytes",
        "found": "2 bytes",
    }
