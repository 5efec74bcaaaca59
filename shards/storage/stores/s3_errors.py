"""The errors of S3 and of its client as RequestFailed: what each code means, and what to do about it.

A bucket of another region, credentials that ran out and a wrong key look alike to a user until the code is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from shards.storage.stores.request_failed import RequestFailed

_REMEDIES = {
    "InvalidAccessKeyId": "AWS_ACCESS_KEY_ID is not known there",
    "SignatureDoesNotMatch": "AWS_SECRET_ACCESS_KEY does not belong to AWS_ACCESS_KEY_ID",
    "ExpiredToken": "the temporary credentials have run out: get new ones",
    "TokenRefreshRequired": "the temporary credentials have run out: get new ones",
    "InvalidToken": "AWS_SESSION_TOKEN does not belong to AWS_ACCESS_KEY_ID",
    "RequestTimeTooSkewed": "the clock of this machine is wrong",
    "AccessDenied": "the key is good, but the bucket's policy does not allow this, or the file is not there and "
    "listing is not allowed",
    "AllAccessDisabled": "the bucket is closed",
    "InvalidObjectState": "the file lies in an archive: restore it first",
}
_EXPIRED_CODES = {"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired", "InvalidToken"}
"""Codes for keys that were good once: their source may have new ones."""
_DENIED_CODES = {*_EXPIRED_CODES, "InvalidObjectState", "AllAccessDisabled"}
_THROTTLED_CODES = {"SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequests"}
_RETRYABLE_CODES = {"RequestTimeout", "InternalError", "OperationAborted"}
_REGION_CODES = {"AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "PermanentRedirect"}
CHECK_VARIABLES = "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL and the bucket's policy"
_CHECK_PROFILE = "check AWS_PROFILE, the files under ~/.aws and what they name"
_CHECK_ADDRESS = (
    "check the name of the bucket, AWS_DEFAULT_REGION and AWS_ENDPOINT_URL (it begins with http:// or https://)"
)


def is_expired(error: BaseException) -> bool:
    """The keys of the request were good once, so their source may have new ones."""
    return _answer(error).get("Error", {}).get("Code") in _EXPIRED_CODES


def status_of(error: BaseException) -> int | None:
    """The HTTP status of an error answer; None for an error that is no answer."""
    return _answer(error).get("ResponseMetadata", {}).get("HTTPStatusCode")


@contextmanager
def failing(bucket: str, doing: str = "") -> Iterator[None]:
    """Turn what botocore and its connections raise into RequestFailed. doing: ends a reason, as ", while listing"."""
    import aiohttp
    from botocore import exceptions
    from botocore.parsers import ResponseParserError

    connection: tuple[type[Exception], ...] = (*_connection_errors(), aiohttp.ClientError, OSError)
    try:
        yield
    except exceptions.ClientError as error:
        raise _of_answer(error, bucket, doing) from error
    except (exceptions.NoCredentialsError, exceptions.PartialCredentialsError, exceptions.TokenRetrievalError) as error:
        public = "for a public bucket set FSSPEC_S3_ANON=true"
        raise RequestFailed("denied", f"{type(error).__name__}: {error}", f"{CHECK_VARIABLES}; {public}") from error
    except exceptions.SSLError as error:
        raise RequestFailed.of_tls(error) from error
    except (exceptions.ParamValidationError, exceptions.UnknownEndpointError, ValueError) as error:
        reason = " ".join(str(error).removeprefix("Parameter validation failed:").split())
        raise RequestFailed("refused", reason.partition(": Bucket name must")[0], _CHECK_ADDRESS) from error
    except (exceptions.CredentialRetrievalError, exceptions.MetadataRetrievalError) as error:
        # A provider may be away for a moment; a command that is not there stays away.
        raise RequestFailed("unavailable", f"{type(error).__name__}: {error}", _CHECK_PROFILE, unlikely=True) from error
    except connection as error:
        raise RequestFailed.of_connection(error) from error
    except exceptions.BotoCoreError as error:  # wrong settings: a profile, a file, a region
        raise RequestFailed("refused", f"{type(error).__name__}: {error}", _CHECK_PROFILE) from error
    except RuntimeError as error:  # keys that a provider has just renewed have run out already
        raise RequestFailed("denied", str(error), _CHECK_PROFILE) from error
    except ResponseParserError as error:
        raise RequestFailed("refused", "the server does not answer as S3 does", _CHECK_ADDRESS) from error


def _connection_errors() -> tuple[type[Exception], ...]:
    """The errors of botocore for a server that could not be reached, or went away."""
    from botocore import exceptions

    return (exceptions.ConnectionError, exceptions.HTTPClientError, exceptions.IncompleteReadError)


def _of_answer(error: Any, bucket: str, doing: str) -> RequestFailed:
    """The meaning of an error answer of S3."""
    said: Mapping[str, Any] = error.response.get("Error", {})
    about = error.response.get("ResponseMetadata", {})
    status, headers = int(about.get("HTTPStatusCode", 0)), about.get("HTTPHeaders", {})
    code = str(said.get("Code", status))
    reason = f"{code}: {said.get('Message') or ''}".rstrip(": ") + doing
    region = said.get("Region") or headers.get("x-amz-bucket-region")
    if code in _THROTTLED_CODES or status in (429, 503):
        return RequestFailed.of_status(503, reason, "", headers.get("retry-after"))
    if code in _RETRYABLE_CODES:
        return RequestFailed("unavailable", reason)
    if region and (status in (301, 307) or code in _REGION_CODES):
        there = f"the bucket {bucket} lies in region {region}"
        return RequestFailed("refused", reason, f"{there}: set AWS_DEFAULT_REGION={region}")
    if status in (301, 307):
        return RequestFailed("refused", reason, f"the bucket {bucket} lies elsewhere: {_CHECK_ADDRESS}")
    if code == "NoSuchBucket":
        return RequestFailed("missing", f"there is no bucket {bucket}", "check the address, and AWS_ENDPOINT_URL")
    if status in (404, 410):
        return RequestFailed("missing", "", "")
    remedy = _REMEDIES.get(code)
    if code in _DENIED_CODES or status in (401, 403):
        return RequestFailed("denied", reason, f"{remedy}; {CHECK_VARIABLES}" if remedy else CHECK_VARIABLES)
    return RequestFailed.of_status(status, reason, _CHECK_ADDRESS, headers.get("retry-after"))


def _answer(error: BaseException) -> Mapping[str, Any]:
    """The error answer that botocore keeps in its ClientError; empty for other errors."""
    return getattr(error, "response", None) or {}
