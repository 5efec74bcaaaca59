"""Every public error of the library, and the base that makes their texts safe to print."""

from __future__ import annotations

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
