"""The names that this room gives to others."""

from .beton import MAX_FRAMES as MAX_FRAMES
from .beton import Beton as Beton
from .beton import FieldKind as FieldKind
from .beton import checksum as checksum
from .beton import fields as fields
from .beton import row_type as row_type
from .beton_reader import BetonReader as BetonReader
from .fetched import Fetched as Fetched
from .reader import Reader as Reader
from .reader import let_malloc_keep as let_malloc_keep
from .sample import Origin as Origin
from .sample import SampleError as SampleError
