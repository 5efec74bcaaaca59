"""Energon datasets (Megatron): a folder of tars with .nv-meta, which says their splits and which member is what.

--split chooses among the split_parts of split.yaml; its exclude is obeyed. Members are those of the field_map of
dataset.yaml (image or video; caption or text), else as `shards index` finds them; options go before both. A
sample_loader is Python code and is not run. A tar that is missing, cut off, or holds other numbers of samples than
.info.json says is quarantined.
"""

from __future__ import annotations

from collections.abc import Iterator

from tools.containers.columns import DataPath, SplitName
from tools.containers.files import check_folder
from tools.containers.samples.energon import Tar, members_of, tars_of_split
from tools.containers.samples.rules import KeyPrefix, MediaMembers, TextField, TextMembers, member_rules, tar_in_key
from tools.containers.samples.sample_rows import SampleRows
from tools.rows import MALFORMED, BadRow, CountedRows, OptionError, Row


def rows(
    data: DataPath,
    split: SplitName = None,
    media_members: MediaMembers = None,
    text_members: TextMembers = None,
    text_field: TextField = None,
    key_prefix: KeyPrefix = None,
) -> CountedRows:
    """Energon folders: tars with .nv-meta.

    Give the folder that `energon prepare` was run on, and --split train.
    """
    check_folder(data, "the folder of an Energon dataset, with its .nv-meta")
    tars = tars_of_split(data, split)
    said, is_code = members_of(data)
    given = {"media_members": media_members, "text_members": text_members, "text_field": text_field}
    chosen = {name: value for name, value in given.items() if value is not None}
    if is_code and not chosen:
        raise OptionError(
            f"{data}: dataset.yaml makes samples with a sample_loader, Python code that is not run here; say which "
            "members are what with --media-members and --text-members (and --text-field)"
        )
    options = {**dict.fromkeys(given), **said, **chosen}
    rules = member_rules(options["media_members"], options["text_members"], options["text_field"], None, None)
    maker = SampleRows(rules, data, tar_in_key(key_prefix))

    def found() -> Iterator[Row | BadRow]:
        for tar in tars:
            yield from _rows_of_tar(tar, maker)

    return CountedRows(found(), sum(tar.num_samples or 0 for tar in tars))


def _rows_of_tar(tar: Tar, maker: SampleRows) -> Iterator[Row | BadRow]:
    keys: set[str] = set()
    yield from maker.of_tar(tar.path, tar.name, keys, tar.excluded)
    if tar.num_samples is not None and tar.num_samples != len(keys) and keys:
        what = f".info.json says {tar.num_samples:,} samples, the tar holds {len(keys):,}; run `energon prepare` again"
        yield BadRow.at(tar.name, maker.container, MALFORMED, what)
