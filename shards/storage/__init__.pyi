"""The names that this room gives to others."""

from .addresses import local_path as local_path
from .source import MissingFile as MissingFile
from .source import SourceError as SourceError
from .source import is_remote as is_remote
from .source import open_source as open_source
