"""Captions of real files: as evaluation writes them, alone or in company; what cannot be used is named."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mcg.answering.captioner import Captioned, Captioner
from shards import DatasetWriter, Origin, Sample
from shards.base.errors import MediaError
from shards.media.probe import probe
from tests.mcg.answering.small_captioner import VIDEO, VIDEOS, write_captioner
from tests.mcg.small_checkpoint import run_config, write_checkpoint
from tests.mcg.tasks.small_sample import draws


@pytest.fixture(scope="module")
def captioner(tmp_path_factory: pytest.TempPathFactory) -> Captioner:
    return Captioner.load(write_captioner(tmp_path_factory.mktemp("captioner") / "run"), device="cpu")


def test_captions_come_best_first_and_as_many_as_there_are_beams(captioner: Captioner) -> None:
    found = captioner.caption(VIDEO, count=5)
    assert len(found) == 2 and found[0].score >= found[1].score and found[0].text
    assert captioner.caption(VIDEO) == found[:1]
    with pytest.raises(ValueError, match="the number of captions must be 1 or more, found 0"):
        captioner.caption(VIDEO, count=0)


def test_the_clip_is_that_of_evaluation(captioner: Captioner, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[torch.Tensor] = []
    encode = captioner.model.encode_video
    monkeypatch.setattr(captioner.model, "encode_video", lambda frames: seen.append(frames) or encode(frames))
    captioner.caption(VIDEO)
    data = VIDEO.read_bytes()
    sample = Sample(Origin("d", "s.tar", "k"), data, probe(data, VIDEO.name), {}, 0, {})
    encoded = captioner.task.encode_for_evaluation(sample, draws())
    expected = captioner._decode(data, encoded.kind, encoded.plan)
    assert torch.equal(seen[0][0], torch.as_tensor(expected))


def test_several_are_captioned_as_each_by_itself_and_broken_ones_are_told_in_their_place(
    captioner: Captioner, tmp_path: Path
) -> None:
    torn = tmp_path / "torn.mp4"
    torn.write_bytes(VIDEO.read_bytes()[:500])
    folder = tmp_path / "clips"
    folder.mkdir()
    (folder / "b.jpg").symlink_to(VIDEOS[2])
    (folder / "a.mp4").symlink_to(VIDEO)
    found = list(captioner.caption_all([VIDEOS[1], torn, folder, tmp_path / "nope.mp4"]))
    names = [one.video if isinstance(one, Captioned) else str(one).partition(":")[0] for one in found]
    assert names == [str(VIDEOS[1]), str(torn), "a.mp4", "b.jpg", str(tmp_path / "nope.mp4")]
    assert [isinstance(one, MediaError) for one in found] == [False, True, False, False, True]
    for place, video in ((0, VIDEOS[1]), (2, VIDEO), (3, VIDEOS[2])):
        alone, together = captioner.caption(video)[0], found[place].captions[0]  # type: ignore[union-attr]
        assert alone.text == together.text and alone.score == pytest.approx(together.score, abs=1e-5)


def test_the_samples_of_a_dataset_are_captioned_by_their_origin(captioner: Captioner, tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "set", "set") as writer:
        data = VIDEO.read_bytes()
        writer.write("7", data, "mp4", [{"text": "nothing"}], {}, probe(data, VIDEO.name))
    (found,) = captioner.caption_all([tmp_path / "set"])
    assert isinstance(found, Captioned) and found.video.endswith(".tar:7")
    assert found.captions == captioner.caption(VIDEO)


def test_a_checkpoint_of_another_task_is_named(tmp_path: Path) -> None:
    asked = write_checkpoint(run_config(tmp_path / "run"))
    with pytest.raises(ValueError, match=r"its task is 'open_qa', which writes no captions; .* with captioning or"):
        Captioner.load(asked)


def test_pre_training_captions_if_it_was_taught_to_write(tmp_path: Path) -> None:
    task = {"name": "pretrain", "clip": {"num_frames": 2, "size": 32}, "max_text_tokens": 7}
    captioner = Captioner.load(write_checkpoint(run_config(tmp_path / "run", task=task)), device="cpu")
    assert captioner.task.config.max_caption_tokens == 7 and captioner.caption(VIDEO)
    untaught = run_config(tmp_path / "untaught", task=task, objectives={"contrastive": {}})
    with pytest.raises(ValueError, match=r"untaught: its pre-training had no objectives\.generation"):
        Captioner.load(write_checkpoint(untaught))


def test_captioning_needs_no_captions_of_training(tmp_path: Path) -> None:
    run = write_captioner(tmp_path / "run", training_captions=str(tmp_path / "nowhere"))
    assert Captioner.load(run, device="cpu").task.config.training_captions is None
