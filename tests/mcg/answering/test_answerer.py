"""Answers about real files: as evaluation gives them, from the command line as a table and as JSON, errors named."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import torch
import typer
from click.testing import Result
from typer.testing import CliRunner

from mcg.answer import main
from mcg.answering.answerer import Answerer
from mcg.engine.checkpoint import CheckpointError
from mcg.tasks.open_qa import OpenQA
from shards import MediaFacts, Origin, Sample
from shards.base.errors import ConfigError, MediaError
from shards.media.probe import probe
from tests.mcg.small_checkpoint import TASK, run_config, write_checkpoint
from tests.mcg.small_lavender import lavender_config
from tests.mcg.small_model import TEXTS
from tests.mcg.tasks.small_sample import draws

ROOT = Path(__file__).resolve().parents[3]
VIDEO = ROOT / "samples" / "videos" / "bbb_tree.mp4"
QUESTION = "what is in the tree?"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    return write_checkpoint(run_config(tmp_path_factory.mktemp("answer") / "run"))


@pytest.fixture(scope="module")
def answerer(run: Path) -> Answerer:
    return Answerer.load(run, device="cpu")


def test_candidates_come_best_first_and_as_many_as_asked_for(answerer: Answerer) -> None:
    found = answerer.ask(VIDEO, QUESTION, num_candidates=3)
    assert len(found) == 3 and all(isinstance(candidate.answer, str) for candidate in found)
    assert [c.score for c in found] == sorted((c.score for c in found), reverse=True)
    assert answerer.ask(VIDEO, QUESTION, num_candidates=1)[0].answer == found[0].answer


@pytest.mark.parametrize("name", ["head13.mp4", "concat.ts"])
def test_a_file_that_players_play_is_answered(answerer: Answerer, name: str) -> None:
    """One starts between key frames, of the other the times start again in the middle."""
    assert answerer.ask(ROOT / "tests" / "field" / name, QUESTION, num_candidates=1)


def test_the_clip_is_that_of_evaluation(answerer: Answerer) -> None:
    data = VIDEO.read_bytes()
    record = {"question": QUESTION, "answer": "bird"}
    sample = Sample(Origin("d", "s.tar", "k"), data, probe(data, VIDEO.name), record, 0, {})
    encoded = answerer.task.encode_for_evaluation(sample, draws())
    assert encoded.plan.shape == (2, 32, 32, 3)
    from shards.decode.backends import open_backend

    expected = open_backend("cpu").decode(data, encoded.kind, encoded.plan)
    assert (torch.as_tensor(answerer.clip(VIDEO)) == torch.as_tensor(expected)).all()


def test_several_questions_encode_the_video_once(answerer: Answerer, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    encode = answerer.model.encode_video
    monkeypatch.setattr(answerer.model, "encode_video", lambda frames: seen.append(len(frames)) or encode(frames))
    both = answerer.ask_all(VIDEO, [QUESTION, "how many birds are there in all?"])
    assert seen == [1] and len(both) == 2
    alone = answerer.ask(VIDEO, QUESTION)
    assert [c.answer for c in both[0]] == [c.answer for c in alone]
    assert [c.score for c in both[0]] == pytest.approx([c.score for c in alone], abs=1e-4)


def test_a_picture_is_a_video_of_one_frame(answerer: Answerer) -> None:
    assert answerer.ask(ROOT / "samples" / "images" / "sk_coffee.jpg", QUESTION)


def test_choices_are_ranked_by_likelihood(answerer: Answerer) -> None:
    choices = ["a bird", "tree", "two"]
    found = answerer.ask(VIDEO, QUESTION, choices=choices)
    assert {c.answer for c in found} == set(choices) and found[0].score >= found[1].score >= found[2].score


def test_a_ranking_model_answers_from_its_list(tmp_path: Path) -> None:
    (tmp_path / "answers.txt").write_text("bird\ntree\nblue sky\n")
    task = TASK | {"answering": "ranking", "answer_list": str(tmp_path / "answers.txt")}
    asked = Answerer.load(write_checkpoint(run_config(tmp_path / "run", task=task)), device="cpu")
    assert isinstance(asked.task, OpenQA)
    assert {c.answer for c in asked.ask(VIDEO, QUESTION)} == {"bird", "tree", "blue sky"}


def test_a_multiple_choice_model_wants_choices(tmp_path: Path) -> None:
    task = {"name": "multiple_choice", "clip": {"num_frames": 2, "size": 32}}
    asked = Answerer.load(write_checkpoint(run_config(tmp_path / "run", task=task)), device="cpu")
    assert len(asked.ask(VIDEO, QUESTION, choices=["to eat", "to sleep"])) == 2
    with pytest.raises(ValueError, match=r"this model chooses among answers: give it choices \(--choice"):
        asked.ask(VIDEO, QUESTION)


def test_answering_needs_no_wordnet(tmp_path: Path) -> None:
    trained = run_config(tmp_path / "run").model_dump(mode="json")
    trained["task"] |= {"metric": "wups", "wordnet": str(tmp_path / "nowhere")}
    asked = Answerer.load(write_checkpoint(run_config(tmp_path / "run"), config=trained), device="cpu")
    assert asked.ask(VIDEO, QUESTION)


# ------------------------------------------------------------ what is wrong is named


def test_wrong_questions_and_choices_are_named(answerer: Answerer) -> None:
    for questions, message in (([], "no question was asked"), (["who?", " "], "question number 1 is empty")):
        with pytest.raises(ValueError, match=message):
            answerer.ask_all(VIDEO, questions)
    with pytest.raises(ValueError, match=r"choice 'a bird in the tree' has 5 word pieces, 1 to 3 fit task\.max_answer"):
        answerer.ask(VIDEO, QUESTION, choices=["a bird in the tree"])
    with pytest.raises(ValueError, match="num_candidates must be 1 or more, found 0"):
        answerer.ask(VIDEO, QUESTION, num_candidates=0)


def test_a_file_that_is_no_video_is_named(answerer: Answerer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "torn.mp4").write_bytes(VIDEO.read_bytes()[:500])
    (tmp_path / "notes.txt").write_text("hello")
    for name, message in (
        ("nope.mp4", r"nope\.mp4: not readable: No such file"),
        ("torn.mp4", r"torn\.mp4: "),
        ("notes.txt", r"notes\.txt: unknown extension 'txt'"),
    ):
        with pytest.raises(MediaError, match=message):
            answerer.ask(tmp_path / name, QUESTION)
    monkeypatch.setattr("mcg.searching.clips.probe_table", lambda *_: (MediaFacts("video", "h264", 64, 48, 0), []))
    with pytest.raises(MediaError, match=r"bbb_tree\.mp4: the index says 0 frames of 64x48 pixels"):
        answerer.ask(VIDEO, QUESTION)


def _config(tmp_path: Path, **fields: Any) -> Path:
    return write_checkpoint(run_config(tmp_path / "run", **fields))


def test_a_checkpoint_of_another_task_or_without_one_is_named(tmp_path: Path, run: Path) -> None:
    with pytest.raises(CheckpointError, match="no checkpoint there"):
        Answerer.load(tmp_path / "nowhere")
    pretrained = _config(tmp_path, task={"name": "pretrain", "clip": {"num_frames": 2, "size": 32}})
    with pytest.raises(ValueError, match="its task is 'pretrain', which answers no questions; name a checkpoint that"):
        Answerer.load(pretrained)
    config = run_config(tmp_path / "converted")
    converted = write_checkpoint(config, config={"model": config.model.model_dump(mode="json")})
    with pytest.raises(ConfigError, match=r"checkpoint\.json: says what model it is but not how it is asked"):
        Answerer.load(converted)
    file = tmp_path / "task.yaml"
    file.write_text(json.dumps(config.model_dump(mode="json", exclude_none=True)))
    assert Answerer.load(converted, config=file, device="cpu").ask(VIDEO, QUESTION)


def test_another_width_is_named(run: Path, tmp_path: Path) -> None:
    file = tmp_path / "wide.yaml"
    tree = run_config(tmp_path).model_dump(mode="json", exclude_none=True)
    tree["model"]["vision"]["width"] = tree["model"]["text"]["width"] = 32
    file.write_text(json.dumps(tree))
    message = (
        r"model\.safetensors: weights of another model: .* there and .* here .* set model\.\* as in the checkpoint"
    )
    with pytest.raises(CheckpointError, match=message):
        Answerer.load(run, config=file)


def test_another_vocabulary_is_named(run: Path, tmp_path: Path) -> None:
    words = TEXTS.file.read_text("utf-8").splitlines()
    file = tmp_path / "task.yaml"
    for name, other, message in (
        ("swapped", [*words[:2000], words[2001], words[2000], *words[2002:]], "trained with another vocabulary"),
        ("short", words[:-1], "trained with another vocabulary"),
    ):
        (tmp_path / f"{name}.txt").write_text("\n".join(other) + "\n", "utf-8")
        vocabulary = str(tmp_path / f"{name}.txt")
        file.write_text(
            json.dumps(run_config(tmp_path, vocabulary=vocabulary).model_dump(mode="json", exclude_none=True))
        )
        with pytest.raises(CheckpointError, match=rf"{message} .* than .*{name}\.txt .* set model\.vocabulary to"):
            Answerer.load(run, config=file)


# ------------------------------------------------------------ command line


def _call(*arguments: str) -> Result:
    command = typer.Typer()
    command.command()(main)
    return CliRunner().invoke(command, arguments)


def test_the_command_prints_json_or_a_table(run: Path, answerer: Answerer) -> None:
    common = ["--checkpoint", str(run), "--video", str(VIDEO), "--question", QUESTION, "--device", "cpu"]
    done = _call(*common, "--json", "--num-candidates", "2", "--question", "who?")
    assert done.exit_code == 0, done.output
    first, second = map(json.loads, done.stdout.splitlines())
    assert first["question"] == QUESTION and second["question"] == "who?" and len(first["candidates"]) == 2
    assert first["candidates"][0]["answer"] == answerer.ask(VIDEO, QUESTION)[0].answer
    shown = _call(*common)
    assert shown.exit_code == 0 and "score" in shown.stdout and QUESTION in shown.stdout
    failed = _call(*common[:3], "nope.mp4", *common[4:])
    assert failed.exit_code == 1 and failed.stderr.startswith("error: nope.mp4: not readable")
    failed = _call(*common, "--select", "newest")
    assert failed.exit_code == 2 and "--select 'newest': choose latest or best" in failed.stderr


def test_what_is_asked_and_answered_is_no_markup(run: Path) -> None:
    words = ["--checkpoint", str(run), "--video", str(VIDEO), "--device", "cpu", "--question", "what is [red]it[/b]?"]
    done = _call(*words, "--choice", "[/]", "--choice", "[b]")
    assert done.exit_code == 0, done.exception
    assert all(text in done.stdout for text in ("what is [red]it[/b]?", "[/]", "[b]"))


def test_overrides_without_a_config_are_refused(run: Path) -> None:
    done = _call("--checkpoint", str(run), "--video", str(VIDEO), "--question", QUESTION, "task.num_beams=5")
    assert done.exit_code == 2 and "'task.num_beams=5': overrides change the file of --config" in done.stderr


README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize("line", [line for line in README.splitlines() if line.startswith("python -m mcg.answer ")])
def test_the_readme_asks_as_the_command_understands(line: str) -> None:
    command = typer.Typer()
    command.command()(main)
    words = shlex.split(line)[3:]
    asked = typer.main.get_command(command).make_context("answer", list(words)).params
    assert (ROOT / asked["video"]).is_file() and asked["question"] and not asked["overrides"]


def test_the_readmes_example_asks_about_a_file_that_exists() -> None:
    videos = re.findall(r'answerer\.ask\("([^"]+)"', README)
    assert videos and all((ROOT / video).is_file() for video in videos)


@pytest.mark.parametrize("choosing", ["matching", "numbered"])
def test_a_model_that_answers_at_mask_chooses_by_matching_and_by_number(tmp_path: Path, choosing: str) -> None:
    task = {"name": "multiple_choice", "clip": {"num_frames": 2, "size": 32}, "num_choices": 3, "choosing": choosing}
    loss = "choice_matching" if choosing == "matching" else "masked_lm"
    config = run_config(tmp_path / "run", task=task, model=lavender_config(), objectives={loss: {}})
    answerer = Answerer.load(write_checkpoint(config), device="cpu")
    first, second = answerer.ask_all(VIDEO, ["what is it?", "who runs in the long street?"], choices=["a dog", "two"])
    assert {answer.answer for answer in first} == {"a dog", "two"} and first[0].score >= first[1].score
    alone = answerer.ask(VIDEO, "who runs in the long street?", choices=["a dog", "two"])
    assert [answer.score for answer in second] == pytest.approx([answer.score for answer in alone], rel=1e-4)


def test_a_model_that_answers_at_mask_is_asked_with_and_without_choices(tmp_path: Path) -> None:
    task = {"name": "open_qa", "clip": {"num_frames": 2, "size": 32}, "answering": "masked_word"}
    config = run_config(tmp_path / "run", task=task, model=lavender_config(), objectives={"masked_lm": {}})
    answerer = Answerer.load(write_checkpoint(config), device="cpu")
    answers = answerer.ask(VIDEO, "what is it?", num_candidates=3)
    assert len(answers) == 3 and answers[0].score > answers[1].score
    given = answerer.ask(VIDEO, "what is it?", choices=["a dog", "red", "skateboarders"])
    assert {answer.answer for answer in given} == {"a dog", "red", "skateboarders"}
