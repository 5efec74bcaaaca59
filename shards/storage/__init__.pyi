"""The names that this room gives to others."""

from .addresses import below as below
from .addresses import is_remote as is_remote
from .addresses import local_path as local_path
from .file import SourceFile as SourceFile
from .open import open_source as open_source
from .retries import retry_seconds as retry_seconds
from .source import Source as Source
from .source import address_of as address_of
from .stores.filesystem import open_filesystem as open_filesystem
