"""The names that this room gives to others."""

from .index.files import DATASET_FILE as DATASET_FILE
from .index.index import Index as Index
from .index.rows import MAX_MEDIA_BYTES as MAX_MEDIA_BYTES
from .index.rows import MAX_TEXT_BYTES as MAX_TEXT_BYTES
from .index.shard_rows import ShardRows as ShardRows
from .members.plain_text import TextError as TextError
from .members.plain_text import is_whole as is_whole
from .members.rules import suffix as suffix
from .members.texts import read_texts as read_texts
from .report import NUM_EXAMPLES as NUM_EXAMPLES
from .report import Report as Report
from .writing.conversion import AlreadyFinished as AlreadyFinished
from .writing.conversion import WriteSummary as WriteSummary
from .writing.join import drop_indexes as drop_indexes
from .writing.join import join as join
from .writing.new_sample import DuplicateKey as DuplicateKey
from .writing.open_target import open_target as open_target
from .writing.quarantine import QUARANTINE_FILE as QUARANTINE_FILE
from .writing.quarantine import quarantine_lines as quarantine_lines
from .writing.writer import DatasetWriter as DatasetWriter
