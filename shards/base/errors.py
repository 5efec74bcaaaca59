"""The errors of the library that a caller may catch, and the base that makes their texts safe to print.

Two carry an object of a higher room and are defined beside it: SampleError (read/sample.py), which names a sample, and
AlreadyFinished (dataset/writing/conversion.py). Errors that never leave their room are defined there too.
"""

from __future__ import annotations

from typing import Any

from shards.base.safe_text import one_line


class PrintableError(Exception):
    """The base of all our errors: its text can be printed anywhere, also in a traceback. Each argument is a line."""

    def __str__(self) -> str:
        of_the_system = isinstance(self, OSError) and self.errno is not None
        return "\n".join(one_line(str(line)) for line in (self.args[1:] if of_the_system else self.args))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled by its arguments and attributes, whatever __init__ takes: errors come back from other processes."""
        return _restored, (type(self), self.args), self.__dict__ or None


def _restored(kind: type[PrintableError], arguments: tuple[Any, ...]) -> PrintableError:
    error = kind.__new__(kind, *arguments)
    error.args = arguments
    return error


# ------------------------------------------------------------ what the user gave


class UsageError(PrintableError):
    """An option, path or config that cannot be used as given; commands end with exit code 2."""


class ConfigError(UsageError, ValueError):
    """A config that cannot be used; one line per fault."""


class WhereError(PrintableError, ValueError):
    """A `where` expression that cannot be evaluated; the text says which part, and what is allowed."""


class ExclusionError(PrintableError, ValueError):
    """A line of an exclusion list that names no sample."""


class SideTableError(PrintableError, ValueError):
    """A side table that cannot be read or does not fit its dataset; names the file, the column and the remedy."""


class PatternError(UsageError, ValueError):
    """A pattern that names no tars of one dataset."""


# ------------------------------------------------------------ datasets


class DatasetError(PrintableError, ValueError):
    """A dataset that does not exist, is not finished, or whose files do not match; names the file and the remedy."""


class WrongPlace(UsageError, DatasetError):
    """A path that holds no dataset, or one that was not made for this."""


class MissingFacts(DatasetError):
    """An index without media facts, where a clip is to be planned; names the command that makes it again."""

    def __init__(self, command: str = "python -m shards index PATH") -> None:
        super().__init__(
            "the index holds no media facts, and without them no clip can be planned; index the dataset again with "
            f"--media ({command} --media)"
        )


class ConversionError(PrintableError, ValueError):
    """A conversion that gives nothing: no usable row, inputs that changed under it, accounts that do not add up."""


class SampleRefused(PrintableError, ValueError):
    """A sample that does not belong into a dataset: bad key, unknown extension, text that is no JSON. Quarantine it."""


class WriteError(PrintableError, OSError):
    """Output that could not be written (disk full, no permission, store refuses); names the path and the remedy."""


# ------------------------------------------------------------ storage


class SourceError(PrintableError, OSError):
    """Bytes that could not be read, for a reason that lies with the store and not with the data."""


class MissingFile(UsageError, SourceError):
    """A file that does not exist."""


class AccessDenied(UsageError, SourceError):
    """A request that the store refused: wrong or missing credentials, or no permission."""


class AddressError(UsageError, SourceError):
    """An address that cannot be opened: an unknown scheme, a chain, credentials where they are not used."""


class ChangedFile(SourceError):
    """A file that was replaced or written over since this source first read it."""

    def __init__(self, path: str, before: object, now: object) -> None:
        super().__init__(
            f"{path}: changed while it was being read ({before} before, {now} now); nothing of the new "
            "version was used: start again, and it is read as it is then"
        )


class CacheFolderError(PrintableError, ValueError):
    """A folder, or a file in it, that cannot serve as a cache; says why and what to do."""


# ------------------------------------------------------------ media


class MediaError(PrintableError, ValueError):
    """Bytes that cannot be used as a video or picture; the message is the reason."""

    @property
    def advice(self) -> str:
        """The reason and what to do."""
        return f"{self}; fetch it again"


class NoDecoder(PrintableError, RuntimeError):
    """A decode backend that was asked for cannot run here; the message says what to install or to set."""


class DeviceFailed(PrintableError, RuntimeError):
    """A GPU that fails while it decodes: no memory left, or it is gone; names the device, the clip and the remedy."""


# ------------------------------------------------------------ runs


class CursorMismatch(PrintableError, ValueError):
    """A saved position that does not belong to this data or this order."""


class TooManyFailures(PrintableError, RuntimeError):
    """More unusable elements in a run than its budget allows."""


class TooManyStuck(PrintableError, RuntimeError):
    """More threads that hang in the decoder than a loader bears; names the clips that they hang at."""


class AccountingError(PrintableError, AssertionError):
    """Elements that were lost or counted twice: a bug of the loader."""


class CannotStart(PrintableError, RuntimeError):
    """Processes that ended before they could do anything; the message says why."""


class ClusterError(PrintableError, ConnectionError):
    """A Ray cluster that cannot be reached or used; names the address or the node, the reason and the remedy."""


class ProcessDied(PrintableError, RuntimeError):
    """A process that ended while it worked on one of `items`."""

    def __init__(self, message: str, items: list[Any]) -> None:
        super().__init__(message)
        self.items = items
