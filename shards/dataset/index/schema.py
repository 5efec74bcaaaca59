"""The columns of index.parquet."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa


KEY_FRAME_COLUMNS = ("key_frame", "key_frame_time", "key_frame_offset")


def index_schema(key_frames: bool = False) -> pa.Schema:
    """The Arrow schema of index.parquet. key_frames: with the optional GOP tables."""
    import pyarrow as pa

    gop = zip(KEY_FRAME_COLUMNS, (pa.int32(), pa.float32(), pa.int64()), strict=True)
    return pa.schema(
        [
            ("shard", pa.int32()),
            ("key", pa.string()),
            ("member_ext", pa.list_(pa.string())),
            ("member_offset", pa.list_(pa.int64())),
            ("member_size", pa.list_(pa.int64())),
            ("member_checksum", pa.list_(pa.uint32())),
            ("num_records", pa.int32()),
            ("kind", pa.string()),
            ("codec", pa.string()),
            ("width", pa.int32()),
            ("height", pa.int32()),
            ("num_frames", pa.int32()),
            ("fps", pa.float32()),
            ("duration", pa.float32()),
            ("start_time", pa.float32()),
            *((name, pa.list_(kind)) for name, kind in (gop if key_frames else ())),
        ]
    )
