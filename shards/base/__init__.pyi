"""The names that this room gives to others."""

from .engines import Engine as Engine
from .engines import threads as threads
from .errors import AccountingError as AccountingError
from .errors import ConfigError as ConfigError
from .errors import DatasetError as DatasetError
from .errors import MediaError as MediaError
from .errors import MissingFile as MissingFile
from .errors import PrintableError as PrintableError
from .errors import SourceError as SourceError
from .errors import UsageError as UsageError
from .errors import WrongPlace as WrongPlace
from .frozen import Frozen as Frozen
from .frozen import explain as explain
from .json_text import load_json as load_json
from .printing import cell as cell
from .printing import complain as complain
from .printing import logger as logger
from .printing import say as say
from .printing import say_json as say_json
from .processes import process_pool as process_pool
from .redact import HIDDEN as HIDDEN
from .redact import hide as hide
from .redact import scrub as scrub
from .redact import secrets_of as secrets_of
from .redact import shown as shown
from .safe_text import printable as printable
