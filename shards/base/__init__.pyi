"""The names that this room gives to others."""

from .frozen import ConfigError as ConfigError
from .frozen import Frozen as Frozen
from .frozen import explain as explain
from .json_text import load_json as load_json
from .printing import PrintableError as PrintableError
from .printing import UsageError as UsageError
from .printing import cell as cell
from .printing import complain as complain
from .printing import logger as logger
from .printing import printable as printable
from .printing import say as say
from .printing import say_json as say_json
from .processes import process_pool as process_pool
from .redact import HIDDEN as HIDDEN
from .redact import hide as hide
from .redact import scrub as scrub
from .redact import secrets_of as secrets_of
from .redact import shown as shown
