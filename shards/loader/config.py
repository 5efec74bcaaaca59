"""Settings of a loader: frozen pydantic models that refuse unknown fields.

The line under each field says what it means and its unit. What changes the sequence of elements is marked "(order)": a
cursor saved under another value is refused.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import ByteSize, Field, ValidationInfo, field_validator, model_validator

from shards.base.frozen import Frozen
from shards.base.redact import shown
from shards.dataset.members.rules import MemberSettings
from shards.decode.decoder import DecodeSettings
from shards.order.blend import whole_weights
from shards.order.partition import check_divisible
from shards.select.side_settings import MissingTexts, SideSettings, split_texts
from shards.select.where import parse_where
from shards.storage.addresses import check_address


class DatasetConfig(MemberSettings):
    """One dataset of a blend."""

    name: str = Field(min_length=1, max_length=32, pattern=r"^[A-Za-z0-9._-]+$")
    """Name in batches, errors and logs, up to 32 letters, digits and . _ - (order)"""
    path: str = Field(min_length=1)
    """Folder or URL prefix that holds the shards and dataset.json; for ffcv the .beton file, on a local disk."""
    roots: tuple[str, ...] = ()
    """Places where shards may lie, and web servers redirect to, beside and below the path; with user and query where
    they are needed (shards/storage/roots.py)."""
    source: Literal["shards", "ffcv"] = "shards"
    """Shards, or the stored frames of a small dataset in one file that python -m tools export-ffcv wrote."""
    weight: float = Field(default=1, gt=0, allow_inf_nan=False)
    """Share of turns in the blend; fractions are rounded to a total of 1000 (order); training only."""
    batch_size: int | None = Field(default=None, ge=1)
    """Elements of a global batch of this dataset, where the unit is a step; None: the loader's; training only."""
    elements: Literal["record", "sample"] = "record"
    """The elements of one pass: every text record, or every sample with one record drawn per pass (order)."""
    repeat: int | str = 1
    """Times that one pass holds every element, 1 to 100, or the name of a column of a side table with the number for
    each sample, 0 to 1000 (order); training only."""
    side: tuple[str, ...] = ()
    """Side tables: parquet files or URLs with values for samples, joined by shard and key; where, texts and repeat use
    their columns (docs/side_tables.md)."""
    where: str | None = None
    """Samples to use, by columns of the index and of side tables, e.g. "duration >= 2 and motion > 0.2" (order); see
    shards/select/where.py."""
    texts: str | None = None
    """A side table, or FILE:COLUMN, whose texts replace the records of the samples (order)."""
    missing_texts: MissingTexts = "keep"
    """Samples without a text in it keep their own records, or are left out (drop) (order)."""
    partial_bytes: int | None = Field(default=4 << 20, ge=0)
    """With GOP tables in the index decoding skips what a clip does not need, and of remote videos larger than this, in
    bytes, only what it needs is fetched, unless verify is "always". None: read whole, decode from the
    first frame."""
    exclude: tuple[str, ...] = ()
    """JSON-lines files of {"shard", "key"} whose samples are left out (order); shards/select/exclusion.py."""

    @field_validator("path", "roots", "side")
    @classmethod
    def _check_addresses(cls, found: str | tuple[str, ...]) -> str | tuple[str, ...]:
        for address in (found,) if isinstance(found, str) else found:
            check_address(address)
        return found

    @field_validator("texts")
    @classmethod
    def _check_texts(cls, texts: str | None) -> str | None:
        if texts is not None:
            check_address(split_texts(texts)[0])
        return texts

    @field_validator("where")
    @classmethod
    def _check_where(cls, where: str | None, info: ValidationInfo) -> str | None:
        if where is not None and not info.data.get("side"):  # columns of side tables are known when they are open
            parse_where(where)
        return where

    @field_validator("repeat", mode="before")
    @classmethod
    def _check_repeat(cls, found: object) -> object:
        if isinstance(found, str) and found.strip().isdecimal():
            found = int(found)
        if isinstance(found, float) and found.is_integer():
            found = int(found)
        if (isinstance(found, int) and not 1 <= found <= 100) or not isinstance(found, int | str) or found == "":
            raise ValueError("should be a whole number from 1 to 100, or the name of a column of a side table")
        return found

    @model_validator(mode="after")
    def _check_source(self) -> Self:
        if self.source == "shards" and self.path.endswith(".beton"):
            raise ValueError(f"path {shown(self.path)} is a .beton file, which source: ffcv reads")
        if self.source == "ffcv" and self.given():
            raise ValueError(f"{', '.join(self.given())} is about members of shards; a .beton file has none")
        if self.source == "ffcv" and (self.side or self.texts):
            raise ValueError("side and texts are about shards; export-ffcv writes the samples that are to be used")
        if isinstance(self.repeat, str) and not self.side:
            raise ValueError(f"repeat {self.repeat!r} is the name of a column, and side names no table that has it")
        return self

    @property
    def copies(self) -> int:
        """Copies of every element in a pass, besides those that a column of a side table gives some."""
        return self.repeat if isinstance(self.repeat, int) else 1

    @property
    def side_files(self) -> tuple[str, ...]:
        """The addresses of all side tables."""
        return self.side if self.texts is None else (*self.side, split_texts(self.texts)[0])

    @property
    def side_settings(self) -> SideSettings:
        """What side tables are used for."""
        repeat = self.repeat if isinstance(self.repeat, str) else None
        return SideSettings(self.side, self.texts, self.missing_texts, repeat)

    @property
    def label(self) -> str:
        """The name with what changes the elements of the dataset; a feed adds its selection."""
        sample = "/sample" if self.elements == "sample" else ""
        return f"{self.name}{sample}" + (f"*{self.copies}" if self.copies > 1 else "")


class CacheConfig(Frozen):
    """Whole shards of remote datasets as files on a disk of this node, shared by all its processes."""

    folder: str = Field(min_length=1)
    """The cache's folder on a local disk; made if it is not there."""
    limit: ByteSize = Field(gt=0)
    """Size limit of all files in it together, in bytes or as in "500GB"."""
    shared: Literal["group"] | None = None
    """Who uses it: one user (the folder is 0700), or "group": all users of the folder's group (2775, files 0664)."""
    connections: int = Field(default=8, ge=1, le=64)
    """Requests of this rank for whole shards at the same time."""
    part_bytes: ByteSize = Field(default=ByteSize(8 << 20), ge=1 << 20)
    """The least that one request for a shard asks for, and an eighth of the most."""


class LoaderConfig(Frozen):
    """One stream of batches, for training (endless, shuffled) or evaluation (one pass in order)."""

    blend: tuple[DatasetConfig, ...] = Field(min_length=1)
    """The datasets (order); evaluation reads them one after the other."""
    batch_size: int = Field(ge=1)
    """Elements of a global batch, all ranks together; a multiple of the world size."""
    mode: Literal["train", "eval"] = "train"
    """train: endless, failures substituted; eval: every element once, the last batch padded, nothing substituted."""
    unit: Literal["step", "sample"] = "step"
    """The unit of the blend's turns: a batch of one dataset, or each slot of a mixed one (order); training only."""
    batches_per_turn: int = Field(default=1, ge=1)
    """Batches in a row that a turn of the blend lasts, where the unit is a step (order). A loaded cursor between turns
    may have another number."""
    seed: int = Field(default=0, ge=0, lt=2**32)
    """Seed of order and augmentation (order)."""
    streams: int | None = Field(default=None, ge=1, le=4096)
    """Streams per dataset (order); a multiple of the world size that divides batch_size gives each rank its own. None:
    8, of 128 shards or more 16, of 256 or more 32; a loaded cursor keeps its own number."""
    window: int | None = Field(default=None, ge=1)
    """Elements inside which a stream is shuffled (order). None: all windows of a dataset together
    have 64 MiB and at least 1,024 elements, one at most four mean shards; a loaded cursor keeps its own number."""
    threads: int = Field(default=2, ge=1, le=256)
    """Threads of this rank that read and decode: cores that it may use."""
    prefetch_batches: int = Field(default=2, ge=0, le=64)
    """Batches made ahead of the one in use; each is held decoded, in memory or on the GPU that decodes."""
    fetch_batches: int | None = Field(default=None, ge=0, le=4096)
    """Batches more whose bytes are fetched ahead, still encoded, unless prefetch_batches is 0. None: two, and small
    ones many at once, up to 1024 elements or 4 MiB of this rank, which takes far less time."""
    fetch_bytes: int = Field(default=256 << 20, ge=0)
    """Encoded bytes that may lie fetched before no further batch is begun."""
    cache: CacheConfig | None = None
    """Keeps shards of remote datasets; null: none are kept, and every sample is read from the store by itself."""
    on_growth: Literal["refuse", "append"] = "refuse"
    """Treatment of a cursor of a dataset that has gained shards behind the old ones. append: finish the pass under
    way over the old ones and take all from the next pass on (docs/determinism.md); training only."""
    decode: Literal["auto", "cpu", "dali", "torchcodec"] = "auto"
    """The decoder: the CPU, or on the GPU DALI (extra dali) or torchcodec (extra torchcodec, and FFmpeg); auto takes
    DALI where a GPU is, and says why. Without a GPU the last two decode on the CPU (docs/gpu.md)."""
    gpu_clips: int = Field(default=16, ge=1, le=64)
    """Clips that one run of DALI decodes on the GPU, at most; twice as many threads bring them."""
    gpu_threads: int | None = Field(default=None, ge=1, le=64)
    """Threads that decode clips on the GPU at the same time; null: two for each video decoder that its driver tells
    of."""
    verify: Literal["once", "always", "never"] = "once"
    """A member's checksum is compared at its first read in this process, at every read, or not at all."""
    pad_to_multiple: int = Field(default=8, ge=1)
    """Text arrays are padded to the longest of the rank's batch, rounded up to a multiple of this many entries."""
    max_failures: int | None = Field(default=None, ge=0)
    """Failures of this rank after which the run stops, elements; None means no limit."""
    max_failure_rate: float | None = Field(default=0.1, ge=0, le=1)
    """Share of tried elements that may fail on this rank, 0 to 1; None means no limit."""
    probation: int = Field(default=1000, ge=1)
    """Elements tried on this rank before max_failure_rate counts."""
    decode_seconds: float | None = Field(default=30.0, ge=0.001, le=86_400)
    """Seconds that the decoding of one clip may take; then it is given up as failed, and its thread, which cannot be
    stopped, is replaced. Neither fetching counts nor time in which the process is stopped. None means no limit."""

    @property
    def decode_settings(self) -> DecodeSettings:
        """What the decode backend is told."""
        return DecodeSettings(self.threads, self.gpu_clips, self.gpu_threads)

    @model_validator(mode="after")
    def _check_blend(self) -> Self:
        names = [d.name for d in self.blend]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(
                f"blend: dataset names must differ, found twice: {twice}; use repeat to read one more often"
            )
        repeated = [d.name for d in self.blend if d.repeat != 1]
        if self.mode == "eval" and repeated:
            raise ValueError(f"blend: evaluation reads every element once; remove repeat from {repeated}")
        whole_weights([d.weight for d in self.blend])
        sized = [d.name for d in self.blend if d.batch_size is not None]
        by_step = self.mode == "train" and self.unit == "step"
        if not by_step and (sized or self.batches_per_turn > 1):
            field = f"batch_size from {sized}" if sized else "batches_per_turn"
            raise ValueError(f"blend: only training with unit: step has batches of one dataset; remove {field}")
        return self

    @property
    def batch_sizes(self) -> tuple[int, ...]:
        """Elements of a global batch of each dataset."""
        return tuple(d.batch_size or self.batch_size for d in self.blend)

    def check_world_size(self, world_size: int) -> None:
        """Raise ValueError unless every global batch divides among the ranks."""
        for size in dict.fromkeys((self.batch_size, *self.batch_sizes)):
            check_divisible(size, world_size)
