"""Question sets of TGIF-QA, LSMDC and MSR-VTT in their published forms, over six clips of the samples, and built."""

from __future__ import annotations

import json
from pathlib import Path

from tests.small_configs import ROOT
from tests.tools.commands.command_line import invoke

CLIPS = ("bbb_bird.mp4", "bbb_tree.mp4", "bbb_grass.webm", "coin_pen.mov", "tree_hand.avi", "bbb_stretch.mp4")
_WORDS = ("bird", "tree", "grass", "pen", "hand", "rabbit")
_CLIP = "0001_Film_00.00.{:02d}.000-00.00.{:02d}.900"
_FORMS = {
    "tgif_qa_action": ("tgif_qa", "gif_name\tquestion\ta1\ta2\ta3\ta4\ta5\tanswer\tvid_id\tkey"),
    "tgif_qa_transition": ("tgif_qa", "gif_name\tquestion\ta1\ta2\ta3\ta4\ta5\tanswer\tvid_id\tkey"),
    "tgif_qa_count": ("tgif_qa", "gif_name\tquestion\tanswer\tvid_id\tkey"),
    "lsmdc_fib": ("lsmdc_fib", ""),
    "lsmdc_mc": ("lsmdc_mc", ""),
    "msrvtt_mc": ("msrvtt_mc", "key\tvid_key\ta1\ta2\ta3\ta4\ta5\tanswer"),
}
SETS = tuple(_FORMS)


def _name(name: str, number: int) -> str:
    if name.startswith("tgif"):
        return f"tumblr_n{number}_250"
    return f"video{number}" if name == "msrvtt_mc" else _CLIP.format(number, number)


def _line(name: str, number: int) -> str:
    word, others = _WORDS[number], [f"a {_WORDS[(number + step) % len(_WORDS)]}" for step in range(5)]
    choices, clip = "\t".join(others), _name(name, number)
    times = f"{clip}\t0\t1\t0\t1"
    return {
        "tgif_qa_action": f"{clip}\twhat is seen 3 times ?\t{choices}\t0\tACTION{number}\t{number}",
        "tgif_qa_transition": f"{clip}\twhat is seen before it ends ?\t{choices}\t0\tTRANS{number}\t{number}",
        "tgif_qa_count": f"{clip}\thow many times is it seen ?\t{number}\tCOUNT{number}\t{number}",
        "lsmdc_fib": f"{times}\tA {word} is seen.\tA _____ is seen.\t{word}",
        "lsmdc_mc": f"{times}\t{choices}",
        "msrvtt_mc": f"ret{number}\tmsr{number}\t{choices}\t0",
    }[name]


def build_sets(folder: Path) -> dict[str, Path]:
    """Build each set under the folder, by the public command; its shards by name."""
    made = {}
    for name, (dataset, header) in _FORMS.items():
        lines = [header] if header else []
        lines += [_line(name, number) for number in range(len(CLIPS))]
        notes, id_map = folder / f"{name}.csv", folder / f"{name}.json"
        notes.write_text("".join(f"{line}\n" for line in lines))
        id_map.write_text(json.dumps({_name(name, number): clip for number, clip in enumerate(CLIPS)}))
        options = ["--annotations", notes, "--media", ROOT / "samples/videos", "--id-map", id_map]
        made[name] = folder / name
        done = invoke("build", dataset, *options, "--out", made[name], "--max-quarantined", "0")
        assert done.exit_code == 0, done.output
    return made
