"""What the errors of S3 and of its client mean, and what to do about them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from shards.storage.request_failed import Failure, connection_failure, status_failure, tls_failure

_S3_REMEDIES = {
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
_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired", "InvalidToken"}
"""What is answered to keys that were good: new ones may be had."""
_S3_DENIED = {*_EXPIRED, "InvalidObjectState", "AllAccessDisabled"}
_S3_THROTTLED = {"SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequests"}
_S3_PASSING = {"RequestTimeout", "InternalError", "OperationAborted"}
_S3_ELSEWHERE = {"AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "PermanentRedirect"}
_S3_VARIABLES = "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL and the bucket's policy"


def _code(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _s3_status(error: BaseException) -> int | None:
    response = getattr(error, "response", None)
    return response["ResponseMetadata"].get("HTTPStatusCode") if response else None


@contextmanager
def _s3_failures(bucket: str, what: str = "") -> Iterator[None]:
    import aiohttp
    from botocore import exceptions
    from botocore.parsers import ResponseParserError

    passing: tuple[type[Exception], ...] = (*_passing(), aiohttp.ClientError, OSError)
    try:
        yield
    except exceptions.ClientError as error:
        raise _client_failure(error, bucket, what) from error
    except (exceptions.NoCredentialsError, exceptions.PartialCredentialsError, exceptions.TokenRetrievalError) as error:
        public = "for a public bucket set FSSPEC_S3_ANON=true"
        raise Failure("denied", f"{type(error).__name__}: {error}", f"{_S3_VARIABLES}; {public}") from error
    except exceptions.SSLError as error:
        raise tls_failure(error) from error
    except (exceptions.ParamValidationError, exceptions.UnknownEndpointError, ValueError) as error:
        reason = " ".join(str(error).removeprefix("Parameter validation failed:").split())
        raise Failure("refused", reason.partition(": Bucket name must")[0], _S3_ADDRESS) from error
    except (exceptions.CredentialRetrievalError, exceptions.MetadataRetrievalError) as error:
        # a provider may be away for a moment, and a command that is not there stays away
        raise Failure("again", f"{type(error).__name__}: {error}", _S3_PROFILE, hardly_passes=True) from error
    except passing as error:
        raise connection_failure(error) from error
    except exceptions.BotoCoreError as error:  # what is set up wrongly: a profile, a file, a region
        raise Failure("refused", f"{type(error).__name__}: {error}", _S3_PROFILE) from error
    except RuntimeError as error:  # keys that a provider renewed and that have run out all the same
        raise Failure("denied", str(error), _S3_PROFILE) from error
    except ResponseParserError as error:
        raise Failure("refused", "the server does not answer as S3 does", _S3_ADDRESS) from error


def _passing() -> tuple[type[Exception], ...]:
    """What botocore raises where a server could not be reached, or went away."""
    from botocore import exceptions

    return (exceptions.ConnectionError, exceptions.HTTPClientError, exceptions.IncompleteReadError)


_S3_PROFILE = "check AWS_PROFILE, the files under ~/.aws and what they name"
_S3_ADDRESS = (
    "check the name of the bucket, AWS_DEFAULT_REGION and AWS_ENDPOINT_URL (it begins with http:// or https://)"
)


def _client_failure(error: Any, bucket: str, what: str) -> Failure:
    """What an error answer of S3 means."""
    said: Mapping[str, Any] = error.response.get("Error", {})
    about = error.response.get("ResponseMetadata", {})
    status, headers = int(about.get("HTTPStatusCode", 0)), about.get("HTTPHeaders", {})
    code = str(said.get("Code", status))
    reason = f"{code}: {said.get('Message') or ''}".rstrip(": ") + what
    region = said.get("Region") or headers.get("x-amz-bucket-region")
    if code in _S3_THROTTLED or status in (429, 503):
        return status_failure(503, reason, "", headers.get("retry-after"))
    if code in _S3_PASSING:
        return Failure("again", reason)
    if region and (status in (301, 307) or code in _S3_ELSEWHERE):
        there = f"the bucket {bucket} lies in region {region}"
        return Failure("refused", reason, f"{there}: set AWS_DEFAULT_REGION={region}")
    if status in (301, 307):
        return Failure("refused", reason, f"the bucket {bucket} lies elsewhere: {_S3_ADDRESS}")
    if code == "NoSuchBucket":
        return Failure("missing", f"there is no bucket {bucket}", "check the address, and AWS_ENDPOINT_URL")
    if status in (404, 410):
        return Failure("missing", "", "")
    remedy = _S3_REMEDIES.get(code)
    if code in _S3_DENIED or status in (401, 403):
        return Failure("denied", reason, f"{remedy}; {_S3_VARIABLES}" if remedy else _S3_VARIABLES)
    return status_failure(status, reason, _S3_ADDRESS, headers.get("retry-after"))
