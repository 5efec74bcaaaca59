"""Every public error of the library, and the base that makes their texts safe to print."""

from __future__ import annotations

from typing import Any

from shards.base.safe_text import one_line


class PrintableError(Exception):
    """What every error of ours is: its text can be printed wherever it ends up, also in a traceback.

    Each argument is a line of it.
    """

    def __str__(self) -> str:
        of_the_system = isinstance(self, OSError) and self.errno is not None
        return "\n".join(one_line(str(line)) for line in (self.args[1:] if of_the_system else self.args))


class UsageError(PrintableError):
    """An option, path or config that cannot be meant as given; commands end with exit code 2."""


class ConfigError(UsageError, ValueError):
    """A config that cannot be used; one line per fault."""


class DatasetError(PrintableError, ValueError):
    """A dataset that is not there, not finished, or whose files do not fit each other; names file and remedy."""


class WrongPlace(UsageError, DatasetError):
    """A place that cannot be meant: no dataset is there, or one that was not made for this."""


class SourceError(PrintableError, OSError):
    """Bytes that could not be had, for a reason that lies with the store and not with the data."""


class MissingFile(UsageError, SourceError):
    """A file that is not there."""


class AccessDenied(UsageError, SourceError):
    """The store refuses: wrong or missing credentials, or no permission."""


class AddressError(UsageError, SourceError):
    """An address that leads nowhere: an unknown scheme, a chain, credentials where they are not used."""


class ChangedFile(SourceError):
    """A file that is not the one any more that this source has read before."""

    def __init__(self, path: str, before: object, now: object) -> None:
        super().__init__(
            f"{path}: changed while it was being read ({before} before, {now} now); nothing of the new "
            "version was used: start again, and it is read as it is then"
        )


class MediaError(PrintableError, ValueError):
    """Bytes that cannot be used as a video or picture; the message is the reason."""

    @property
    def advice(self) -> str:
        """The reason and what to do."""
        return f"{self}; fetch it again"


class CursorMismatch(PrintableError, ValueError):
    """A saved position that does not belong to this data or this order."""


class TooManyFailures(PrintableError, RuntimeError):
    """The run met more unusable elements than its budget bears."""


class AccountingError(PrintableError, AssertionError):
    """Elements were lost or counted twice: a bug of the loader."""


class CannotStart(PrintableError, RuntimeError):
    """Processes that ended before they could do anything; the message says why."""


class ProcessDied(PrintableError, RuntimeError):
    """A process that ended while it worked on one of `items`."""

    def __init__(self, message: str, items: list[Any]) -> None:
        super().__init__(message)
        self.items = items


class CacheFolderError(PrintableError, ValueError):
    """A folder, or a file in it, that cannot serve as a cache; says why and what to do."""


class PatternError(UsageError, ValueError):
    """A pattern that names no tars of one dataset."""


class ConversionError(PrintableError, ValueError):
    """A conversion that gives nothing: no usable row, inputs that changed under it, accounts that do not add up."""


class SampleRefused(PrintableError, ValueError):
    """A sample that cannot be written: bad key, unknown extension, text that is no JSON. Quarantine it."""


class WriteError(PrintableError, OSError):
    """Output that could not be written (disk full, no permission, store refuses); names path and remedy."""


class NoDecoder(PrintableError, RuntimeError):
    """A decode backend that was asked for cannot run here; the message says what to install or to set."""


class ExclusionError(PrintableError, ValueError):
    """A line that does not name a sample."""


class WhereError(PrintableError, ValueError):
    """An expression that is not allowed; the text names the part and what is allowed."""
