"""Every config loads, says in its head how it is run and what to expect, is as large as the facts say, and trains.

At full size a model is built on the meta device, which holds no numbers; for the two steps the same config is made
small by overrides, on rendered clips, or built sets of real ones, that lie where its data would.
"""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from mcg.config import RunConfig, load_config
from mcg.objectives.bundle import Bundle
from mcg.text import open_texts
from mcg.text.wordpiece import WordPieces
from shards.dataset.writing.writer import DatasetWriter
from shards.media.probe import probe
from tests.end_to_end.small_runs import environment
from tests.small_configs import ROOT, shrink
from tests.small_sets import SETS, build_sets
from tests.small_wordnet import write_wordnet
from tests.tools.commands.command_line import invoke
from tools.datasets import shapes
from tools.datasets.shapes import SPLITS, Scene
from tools.rows import Row

CONFIGS = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "configs").rglob("*.yaml"))
DEMOS = [name for name in CONFIGS if "/demo" in name]
FULL_SIZE = [name for name in CONFIGS if name not in DEMOS]
SCORED = [name for name in FULL_SIZE if "/zs_" in name or name == "configs/lavender/msrvtt_mc.yaml"]
"""Nothing is trained by these: they say how weights of others are scored."""
TRAINED = [name for name in FULL_SIZE if name not in SCORED]
BY_TASK = [
    f"configs/lavender/{name}.yaml"
    for name in ("pt", "ft_msrvtt_ret", "ft_msrvtt_qa", "ft_lsmdc_fib", "ft_lsmdc_mc", "ft_tgif_action")
]
"""A config of each kind, to be answered by heads by task (docs/lavender.md)."""
FROM_PT = [
    name for name in CONFIGS if load_config(ROOT / name).init_from == load_config(ROOT / "configs/pt.yaml").run_dir
]
FROM_FILES = [f"configs/ft_{name.replace('tgif_qa', 'tgif')}.yaml" for name in SETS]
"""Configs that train on sets built from their published forms; all start from pre-training."""
PROMPTER = "configs/alpro/pt_prompter.yaml"
HEAD = ("command", "hardware", "memory", "hours", "result")
TYPES = 768
"""Weights of the one row of token types that our BERT has and MCG's has not, per stack of layers."""
PROJECTIONS = 2 * 196_864 + 1
UNUSED_OF_ALPRO = 307_600 + 1_538
"""Facts 8.1: the visual encoder's 400-way head, and the head for matching, which QA does not run."""
A100_FLOPS, UTILISATION = 312e12, 0.35
"""bf16, dense; and what a run is taken to reach of it."""
ALPRO = 234_191_029 - 307_600 + TYPES
"""Facts 8.2, ALPRO pre-training without prompter, without the 400-way head, with the words and types of ours."""
MASKED_WORDS, ENTITIES, MATCHING, LAYER = 622_650, 2_718_184, 1_538, 7_087_872
"""Facts 8.1: heads of ALPRO, and a layer of its text encoder."""
LAVENDER = (
    *(88_048_984 - 410_000, 787_200),  # Video Swin base without the classifier of Kinetics, and the layer behind it
    *(768 + 197 * 768 + 6 * 768 + 2 * 768, 10 * 768),  # [CLS], patches, frames, their norm; task tokens
    *(23_837_184, 12 * LAYER, 592_128 + 30_522 * 769),  # words, layers and untied head of BERT
)
CLIP = 149_620_737
"""ViT-B/16, as published (openai/CLIP)."""
T2VLP = (
    *(CLIP, 2 * LAYER + 2 * 768 + 768 * 512),  # the towers; blocks along tubes, their norm and projection
    *(8 * 768, 769 * 512, 77 * 512, 6 * 3_152_384),  # centres and their way to words; places and blocks of the fusion
    *(512 * 512 + 49_408, 2 * 512 * 512),  # heads: words, match and no match
)
PARAMETERS = {
    "configs/pt.yaml": 254_606_141 + TYPES,  # facts 8.2, MCG pre-training, "really used"
    "configs/ft_msrvtt_qa.yaml": 368_037_692 + 2 * TYPES + PROJECTIONS,  # facts 8.2, MCG QA, "really used"
    "configs/ft_msvd_qa.yaml": 368_037_692 - 8 * 768 + 2 * TYPES + PROJECTIONS,
    "configs/ft_nextqa_oe.yaml": 368_037_692 + 2 * TYPES + PROJECTIONS,
    "configs/ft_activitynet_qa.yaml": 368_037_692 + 2 * TYPES + PROJECTIONS,
    "configs/ft_tgif_frame.yaml": 368_037_692 - 8 * 768 + 2 * TYPES + PROJECTIONS,
    "configs/ft_tgif_action.yaml": 368_037_692 - 8 * 768 + 2 * TYPES + PROJECTIONS,
    "configs/ft_tgif_transition.yaml": 368_037_692 - 8 * 768 + 2 * TYPES + PROJECTIONS,
    "configs/ft_tgif_count.yaml": 368_037_692 - 8 * 768 + 2 * TYPES + PROJECTIONS,
    "configs/ft_lsmdc_fib.yaml": 368_037_692 - 8 * 768 + 2 * TYPES + PROJECTIONS,
    "configs/ft_lsmdc_mc.yaml": 368_037_692 - 8 * 768 + 2 * TYPES + PROJECTIONS,
    "configs/ft_msrvtt_mc.yaml": 368_037_692 - 8 * 768 + 2 * TYPES + PROJECTIONS,
    "configs/ft_nextqa_mc.yaml": 368_037_692 + 2 * TYPES + PROJECTIONS,
    "configs/alpro/pt_prompter.yaml": ALPRO - ENTITIES - MASKED_WORDS - MATCHING - 6 * LAYER,
    "configs/alpro/pt.yaml": ALPRO + 2,  # a bias for each of our two words
    "configs/alpro/ft_msrvtt_ret.yaml": ALPRO - ENTITIES - MASKED_WORDS + 4 * 768,  # 8 frames
    "configs/alpro/ft_didemo_ret.yaml": ALPRO - ENTITIES - MASKED_WORDS + 4 * 768,  # 8 frames
    "configs/alpro/zs_msrvtt_ret.yaml": ALPRO + 2,
    "configs/alpro/zs_didemo_ret.yaml": ALPRO + 2,
    "configs/alpro/ft_msrvtt_qa.yaml": 234_346_095 - UNUSED_OF_ALPRO + TYPES,  # facts 8.2, ALPRO QA
    "configs/alpro/ft_msvd_qa.yaml": 235_764_746 - UNUSED_OF_ALPRO + TYPES,
    **{name: sum(LAVENDER) for name in FULL_SIZE if "/lavender/" in name},
    **{name: sum(T2VLP) for name in FULL_SIZE if "/t2vlp/" in name},
    "configs/t2vlp/clip4clip_msrvtt_ret.yaml": CLIP,
}


def head(name: str) -> dict[str, str]:
    """The fields of a config's first comment; a field goes on over lines that are indented further."""
    found: dict[str, str] = {}
    field = ""
    for line in (ROOT / name).read_text().splitlines():
        if not line.startswith("#"):
            break
        named = re.match(r"# (\w+): +(.*)", line)
        if named:
            field = named[1]
            found[field] = named[2]
        elif field and line.startswith("#           "):
            found[field] += " " + line[1:].strip()
        else:
            field = ""
    return found


@pytest.mark.parametrize("name", CONFIGS)
def test_a_config_loads_and_its_head_says_how_it_is_run(name: str) -> None:
    config, told = load_config(ROOT / name), head(name)
    assert [field for field in HEAD if not told.get(field)] == []
    words = told["command"].split()
    if name in SCORED:
        assert words[:5] == ["python", "-m", "mcg.evaluate", "--config", name]
    else:
        assert words[-3:] == ["train.py", "--config", name] and words[0] in ("python", "deepspeed")
    hours = float(told["hours"].split()[0])
    assert hours > 0 and ("estimated" in told["hours"] or name in DEMOS)
    assert config.run_dir.startswith("runs/")


@pytest.mark.parametrize("name", TRAINED)
def test_the_hours_follow_from_the_operations_that_the_head_counts(name: str) -> None:
    told = head(name)
    found = re.search(
        r"estimated: (\d) x (\d+) GFLOP .*?([\d.,]+)( M)? (?:samples|questions), (\d+) passes", told["hours"]
    )
    assert found, told["hours"]
    times, gflop, count, passes = int(found[1]), int(found[2]), float(found[3].replace(",", "")), int(found[5])
    operations = times * gflop * 1e9 * count * (1e6 if found[4] else 1) * passes
    num_gpus = int(told["hardware"].split()[0])
    config = load_config(ROOT / name)
    assert (times, passes) == (4 if config.engine.activation_checkpointing else 3, config.schedule.length.passes)
    hours = operations / (num_gpus * UTILISATION * A100_FLOPS) / 3600
    assert float(told["hours"].split()[0]) == pytest.approx(hours, rel=0.25)


@pytest.mark.parametrize("name", FULL_SIZE)
def test_a_long_run_saves_on_the_way(name: str) -> None:
    assert load_config(ROOT / name).checkpoint.every_steps is not None


@pytest.mark.parametrize("name", FULL_SIZE)
def test_the_head_names_the_source_of_the_result(name: str) -> None:
    told = head(name)["result"]
    assert "facts" in told or "[P]" in told, told


LAVENDER_VALUES = {
    "pt": (4, 32, 10, 24 * 16),
    "ft_msrvtt_ret": (5, 25, 10, 20 * 8),
    "ft_msvd_ret": (5, 25, 5, 20 * 8),
    "ft_lsmdc_ret": (5, 25, 5, 20 * 8),
    "ft_didemo_ret": (5, 100, 10, 16 * 8),
    "ft_lsmdc_mc": (5, 25, 10, 24 * 8),
    "ft_tgif_action": (5, 100, 56, 20 * 8),
    "ft_tgif_transition": (5, 100, 15, 20 * 8),
    "ft_tgif_frame": (5, 25, 20, 10 * 8),
    "ft_msrvtt_qa": (5, 25, 8, 24 * 8),
    "ft_msvd_qa": (5, 25, 8, 24 * 8),
    "ft_lsmdc_fib": (5, 25, 10, 24 * 8),
}
"""docs/facts/lavender.md 3: frames, length of a text, passes, global batch of the GPUs that the head names."""


@pytest.mark.parametrize("name", LAVENDER_VALUES)
def test_the_configs_of_lavender_have_the_values_of_the_facts(name: str) -> None:
    config = load_config(ROOT / f"configs/lavender/{name}.yaml")
    task = config.task.model_dump()
    length = task.get("max_text_tokens") or task["max_question_tokens"]
    assert (config.task.clip.num_frames, length, config.schedule.length.passes, config.data.train.batch_size) == (
        LAVENDER_VALUES[name]
    )
    assert (config.optim.lr, config.optim.betas, config.optim.weight_decay) == (2e-5, (0.9, 0.98), 1e-3)
    assert (config.schedule.warmup.percent, config.schedule.decay, config.seed) == (10, "linear", 88)
    assert (config.engine.gradient_clipping, config.engine.zero_stage) == (1.0, 1)
    if (matching := config.objectives.batch_matching) is not None and name != "pt":  # pairs of a GPU, as released
        assert matching.texts_per_video == config.data.train.batch_size // 8
    assert task.get("paragraphs", "whole") == ("sampled" if "didemo" in name else "whole")


ALPRO_VALUES = {
    "pt_prompter": (4, 30, 256, 10, 1e-4, 5, 20),
    "pt": (4, 30, 256, 10, 1e-4, 5, 20),
    "ft_msrvtt_ret": (8, 40, 64, 5, 2.5e-5, 10, 5),
    "ft_didemo_ret": (8, 50, 96, 10, 4e-5, 10, 20),
    "ft_msrvtt_qa": (16, 40, 192, 10, 5e-5, 10, 5),
    "ft_msvd_qa": (16, 40, 192, 15, 5e-5, 10, 20),
}
"""Facts 5.2: frames, length of a text, global batch, passes, learning rate, warm-up in percent, clipping."""


@pytest.mark.parametrize("name", ALPRO_VALUES)
def test_the_configs_of_alpro_have_the_values_of_the_facts(name: str) -> None:
    config = load_config(ROOT / f"configs/alpro/{name}.yaml")
    length = config.task.model_dump().get("max_text_tokens") or config.task.model_dump()["max_question_tokens"]
    batch = config.data.train.batch_size * config.engine.accumulation_steps
    assert (
        config.task.clip.num_frames,
        length,
        batch,
        config.schedule.length.passes,
        config.optim.lr,
        config.schedule.warmup.percent,
        config.engine.gradient_clipping,
    ) == ALPRO_VALUES[name]
    objectives = {field for field, value in config.objectives if value is not None and field != "compat"}
    weights = {getattr(config.objectives, field).weight for field in objectives}
    assert weights == {1.0}
    contrast_and_matching = {"contrastive", "matching"}
    wanted = {"pt_prompter": {"contrastive"}, "pt": contrast_and_matching | {"masked_lm", "entity_prompting"}}
    assert objectives == wanted.get(name, contrast_and_matching if name.endswith("_ret") else {"classification"})


@pytest.mark.parametrize("name", FULL_SIZE)
def test_at_full_size_a_model_has_the_parameters_of_the_facts(name: str) -> None:
    config = load_config(ROOT / name)
    with torch.device("meta"):
        model = config.model.build(open_texts(config.model))
        assert all(Bundle(model, own.objectives.build()) for own in config.alone.values())
    assert sum(parameter.numel() for parameter in model.parameters()) == PARAMETERS[name]


@pytest.fixture(scope="module")
def small_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """captions/ and questions/, of six rendered clips each; questions as NExT-QA has them; sets of real clips, and
    cc3m/ of real pictures."""
    folder = tmp_path_factory.mktemp("data")
    for text in ("captions", "questions"):
        with DatasetWriter(str(folder / text), text, 3) as writer:
            for row in shapes.rows(split="train", num_clips=6, text=text, seed=0):
                assert isinstance(row, Row) and row.media is not None
                records = [_as_nextqa(record, f"{row.key}_{qid}") for qid, record in enumerate(row.records)]
                writer.write(row.key, row.media, row.ext, records, row.meta, probe(row.media, f"{row.key}.{row.ext}"))
            writer.close()
    build_sets(folder)
    pictures = ["--annotations", ROOT / "samples/cc3m/Train_GCC-training.tsv", "--media", ROOT / "samples"]
    done = invoke("build", "cc3m", *pictures, "--limit", "6", "--out", folder / "cc3m")
    assert done.exit_code == 0, done.output
    return folder


def _as_nextqa(record: dict[str, Any], identifier: str) -> dict[str, Any]:
    """A question with an id of NExT-QA's form and with choices; a caption as a paragraph of one sentence."""
    if "question" not in record:
        return {**record, "segments": [record]}
    others = deque(["red", "circle", "left", "two", record["answer"]])
    others.rotate(len(record["question"]))
    return {**record, "id": identifier, "choices": list(others), "answer_index": others.index(record["answer"])}


@pytest.fixture(scope="module")
def runs(small_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Config -> what went wrong in two steps of it, all in one process of their own."""
    folder = tmp_path_factory.mktemp("runs")
    told, wordnet = {}, write_wordnet(folder / "wordnet")

    def add(label: str, name: str, **options: Any) -> Path:
        run = folder / label.replace("/", "-").removesuffix(".yaml")
        config = load_config(ROOT / name)
        for use, own in config.alone.items():
            text = "captions" if own.task.name in ("pretrain", "retrieval", "captioning") else "questions"
            for path in _data_paths(own):
                place = run / "data" / path
                place.parent.mkdir(parents=True, exist_ok=True)
                built = text if use else path.partition("/")[0]
                place.unlink(missing_ok=True)
                place.symlink_to(small_data / (built if built in (*SETS, "cc3m") else text))
        overrides = shrink(name, small_data / "questions", wordnet, **options)
        if config.uses:  # a step of each, so that all objectives are run
            overrides.append(f"schedule.length.steps={len(config.uses)}")
        told[label] = (str(ROOT / name), [*overrides, f"vars.data={run / 'data'}", f"run_dir={run / 'run'}"])
        return run / "run"

    made: dict[str, Path] = {}
    for name in (PROMPTER, *(name for name in CONFIGS if name not in (PROMPTER, *FROM_FILES))):
        made[name] = add(name, name, prompter=made.get(PROMPTER))
    for name in BY_TASK:
        add(f"{name} by task", name)
        told[f"{name} by task"][1].append("model.heads=task")
    for name in FROM_PT:
        add(f"{name} from pt", name, num_frames=4, init_from=made["configs/pt.yaml"])
    (folder / "runs.json").write_text(json.dumps(told))
    words = [sys.executable, "-m", "tests.two_steps", str(folder / "runs.json")]
    done = subprocess.run(words, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=600, check=False)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"name"')]
    errors = {line["name"]: line["error"] for line in lines}
    errors |= {
        name: errors[f"{name} from pt"] for name in FROM_FILES if f"{name} from pt" in errors
    }  # one run for both
    yield errors | ({} if lines else {"": done.stderr})


def _data_paths(config: RunConfig) -> set[str]:
    """Paths of the datasets below ${vars.data}."""
    loaders = (config.data.train, config.data.val, config.data.test)
    below = f"{config.vars['data']}/"
    return {dataset.path.removeprefix(below) for loader in loaders if loader for dataset in loader.blend}


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", CONFIGS)
def test_a_config_trains_two_steps_at_reduced_size(runs: dict[str, str], name: str) -> None:
    assert runs.get(name, runs.get("", "no word of it")) == ""


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", BY_TASK)
def test_a_config_trains_and_is_scored_with_heads_by_task(runs: dict[str, str], name: str) -> None:
    assert runs.get(f"{name} by task", runs.get("", "no word of it")) == ""


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", FROM_PT)
def test_a_question_config_starts_from_pre_training(runs: dict[str, str], name: str) -> None:
    """With more frames than pt.yaml, and without its head for masked words, as at full size."""
    assert runs.get(f"{name} from pt", runs.get("", "no word of it")) == ""


def test_question_configs_start_from_pre_training() -> None:
    assert len(FROM_PT) == len(list((ROOT / "configs").glob("ft_*.yaml")))


def test_the_vocabulary_of_the_demo_has_all_words_of_its_data() -> None:
    """Each is one piece, so texts are as many tokens as with BERT's vocabulary or fewer; other words are spelled."""
    codec = WordPieces(str(ROOT / "configs/demo/vocab.txt"))
    scenes = [Scene.draw(0, split, "questions", number) for split in SPLITS for number in range(200)]
    texts = [text for scene in scenes for text in _texts_of(scene)]
    with (ROOT / "samples/webvid/results_2M_train.csv").open(newline="") as file:
        texts += [row["name"] for row in csv.DictReader(file)]
    for picture in json.loads((ROOT / "samples/cc3m/cc3m.json").read_text()):
        texts += picture["caption"] if isinstance(picture["caption"], list) else [picture["caption"]]
    for text in texts:
        words = re.findall(r"[a-z0-9]+|[^\sa-z0-9]", text.lower())
        assert codec.num_pieces(text) == len(words), text
    assert codec.num_words < 500
    assert codec.decode(codec.encode("zyxwv 9", 20)) == "zyxwv 9"


def _texts_of(scene: Scene) -> list[str]:
    return [scene.caption, *(text for _, *said in scene.asked for text in said)]
