"""Redaction: the only place that decides what may be shown of an address, and of a text that may hold one.

Promises: no user, password, query or fragment of an address is in what `shown` gives, whatever its scheme and however
it is chained, also where it is malformed: what could belong to a password is left out (`***`). `scrub` does the same
for every address in a text, such as the message of a library, for headers and parameters that carry a signature, for
the secret parts of the addresses that it is given, however a library spells them, and for values that `hide` was told.
Every message goes through it (safe_text.py). What is left, scheme, host, port and path, stays readable.
Gives up: secrets in the path of an address, which look like folders.
"""

from __future__ import annotations

import base64
import re
from urllib.parse import quote, quote_plus, unquote, unquote_plus

HIDDEN = "***"

_SCHEME = (
    r"(?:[A-Za-z][A-Za-z0-9+.-]*:/{2,}|\b(?:https?|s3a?|gs|gcs|az|abfss?):(?:/|(?=[^\s/]+@))"
    r"|(?<![^\s'\"(=])//(?=[^\s/]+@))"
)
"""Two slashes, or an address with a typing error: one slash or none, or no scheme. It may hold secrets all the same."""
_LAYER = re.compile(rf"({_SCHEME})(.*)", re.IGNORECASE | re.DOTALL)
_CHAIN = re.compile(r"::(?=[A-Za-z][A-Za-z0-9+.-]*(?:://|::|$))")
_AUTHORITY = re.compile(r"(?:\[[^\[\]]*\]|[^:\[\]]*)(?::\d*)?")
_PARAMETERS = re.compile(r";[^/;=]*=[^/]*")
_IN_TEXT = re.compile(rf"{_SCHEME}(?:\S{{0,999}}@)?[^\s'\"<>]*", re.IGNORECASE)
_PUNCTUATION = ".,:;)]}>"
_SIGNED = re.compile(
    r"(?:(?<![A-Za-z0-9])|(?<=%3F)|(?<=%26))(x-amz-(?:signature|credential|security-token)"
    r"|x-goog-(?:signature|credential)|awsaccesskeyid|googleaccessid|signature|credential|sig|pass(?:word|wd|phrase)?"
    r"|(?:aws_secret_|secret_?)?access_?key(?:_?id)?|(?:secret|private|account|api)[_-]?key"
    r"|(?:access|refresh|session|security|auth|id|client)?[_-]?(?:token|secret))"
    r"(=|['\"]?:\s*(?=b?['\"]))(?:b?'[^']*'|b?\"[^\"]*\"|[^\s&,;'\"]+)",
    re.IGNORECASE,
)
_HEADER = re.compile(
    r"\b((?:authorization|cookie|x-api-key|x-amz-security-token)['\"]?\s*[:=]\s*(?:b?['\"])?"
    r"(?:(?:basic|bearer|digest|aws4-hmac-sha256)\s+)?)\S+",
    re.IGNORECASE,
)
_QUERY = re.compile(r"([?&][\w.%-]+=)[^\s&'\"<>]+")
"""The query of an address that was not recognised as one, for example because it holds a space."""
_LONGEST = 2000
"""Characters of an address that are searched for users: any number of @ makes the search quadratic."""
_SHORTEST = 4
"""Shorter secrets are not replaced wherever they stand: they occur in ordinary words."""
_hidden: dict[str, str] = {}


def shown(address: str) -> str:
    """An address without its secrets."""
    return "::".join(_shown_layer(layer) for layer in _CHAIN.split(address))


def scrub(text: str, *addresses: str) -> str:
    """A text without secrets. addresses: those that it may mention, in whatever spelling."""
    for secret in sorted({s for address in addresses for s in secrets_of(address)}, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    for value, name in _hidden.items():
        text = text.replace(value, name)
    if ":/" in text or "@" in text:
        text = _IN_TEXT.sub(_shown_in_text, text)
    if "=" in text or ":" in text:
        text = _QUERY.sub(rf"\1{HIDDEN}", text)
        text = _HEADER.sub(rf"\1{HIDDEN}", _SIGNED.sub(rf"\1\2{HIDDEN}", text))
    return text


def hide(value: str, name: str) -> None:
    """Let no message of this process show a value: its name replaces it."""
    if len(value) >= _SHORTEST:
        _hidden[value] = name
        _hidden.update({form: name for form in (quote(value), quote(value, safe=""), quote_plus(value))})
        longest_first = sorted(_hidden.items(), key=lambda known: -len(known[0]))
        _hidden.clear()
        _hidden.update(longest_first)


def _shown_layer(layer: str) -> str:
    found = _LAYER.fullmatch(layer)
    if found is None:
        return layer  # a path, or the name of a file system
    scheme, rest = found[1], found[2]
    before, tail = _cut(rest)
    authority, slash, path = before.partition("/")
    host = authority.rpartition("@")[2]
    is_odd = _AUTHORITY.fullmatch(host) is None
    at = before.rfind("@")
    if "@" in authority or is_odd:
        # A raw "/", "?", "#" or "@" in a password moves the end of the host; the last "@" is behind every password.
        at = rest.rfind("@")
        if not is_odd and at < len(authority):
            return scheme + host + slash + _PARAMETERS.sub("", path)
        return f"{scheme}{HIDDEN}" + (f"@{_cut(rest[at + 1 :])[0]}" if at >= 0 else slash + path)
    if at >= 0 and ":" in before[:at]:
        return f"{scheme}{HIDDEN}@{before[at + 1 :]}"
    if not slash and ":" in authority and "@" in tail:
        return f"{scheme}{HIDDEN}@{_cut(tail.rpartition('@')[2])[0]}"
    return scheme + authority + slash + _PARAMETERS.sub("", path)


def _cut(rest: str) -> tuple[str, str]:
    """(address up to its query or fragment, the rest)."""
    end = re.search(r"[?#]", rest)
    return (rest, "") if end is None else (rest[: end.start()], rest[end.start() :])


def _shown_in_text(found: re.Match[str]) -> str:
    address = found[0].rstrip(_PUNCTUATION)
    return shown(address) + found[0][len(address) :]


def secrets_of(address: str) -> set[str]:
    """The secrets of an address, in every spelling that a library may give them."""
    raw: list[str] = []
    for layer in _CHAIN.split(address):
        found = _LAYER.fullmatch(layer)
        if found is None:
            continue
        for end in re.finditer("@", found[2][:_LONGEST]):  # any may end the password, where it holds raw ones
            user = found[2][: end.start()]
            name, _, password = user.partition(":")
            plain = f"{unquote(name)}:{unquote(password)}".encode()
            raw += [user, name, password, base64.b64encode(plain).decode() if password else ""]
        query = _cut(found[2])[1][1:]
        raw += [query, *query.split("#")]
        for pair in re.split("[&;?#]", query):
            name, _, value = pair.partition("=")
            raw += [pair, value if len(value) >= 2 * _SHORTEST or _SIGNED.match(f"{name}={value}") else ""]
    found_forms = set()
    for secret in raw:
        forms = (secret, unquote(secret), unquote_plus(secret))
        found_forms |= {*forms, *(quote(form, safe="") for form in forms), *(quote(form) for form in forms)}
    return {form for form in found_forms if len(form) >= _SHORTEST}
