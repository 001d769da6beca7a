"""Who may ask. In: keys as their SHA-256, and what a request presents. Out: yes, or a refusal.

Keys are random, so a plain hash keeps them: whoever reads the hashes cannot find the keys. Make one
with ``openssl rand -hex 32`` and its line with ``printf %s "$KEY" | sha256sum``.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path

from predictor.protocol import ProtocolError
from weathervane.errors import UsageError

# Both schemes are taken: programs send Bearer, browsers ask their user for Basic.
CHALLENGE = 'Bearer, Basic realm="weathervane"'
_LINE = re.compile(r"([0-9a-f]{64})(\s.*)?")


@dataclass(frozen=True, kw_only=True)
class Access:
    """Keys of those who may classify and of those who may look at more, as SHA-256 in hex.

    Without ``inference`` keys everybody may classify; without ``admin`` keys nobody is an admin.
    """

    inference: tuple[str, ...] = ()
    admin: tuple[str, ...] = ()

    def check_inference(self, authorization: str | None) -> None:
        """Whether this header of a request lets it classify; an admin's key does as well.

        Raises:
            ProtocolError: 401.
        """
        if self.inference and not _known(authorization, self.inference + self.admin):
            raise ProtocolError(401, "a key is needed: Authorization: Bearer <key>")

    def check_admin(self, authorization: str | None) -> None:
        """Whether this header is an admin's.

        Raises:
            ProtocolError: 401.
        """
        if not _known(authorization, self.admin):
            raise ProtocolError(401, "an admin's key is needed: Authorization: Bearer <key>")


def read_access(
    api_keys: Path | None, admin_keys: Path | None, environment: Mapping[str, str]
) -> Access:
    """Keys out of files, or out of the environment where no file is named.

    Args:
        api_keys: for inference, one line each: the SHA-256 in hex, then anything. None takes the
            lines in ``WEATHERVANE_API_KEYS``.
        admin_keys: likewise, and ``WEATHERVANE_ADMIN_KEYS``.
        environment: the process's.

    Raises:
        UsageError: when a file cannot be read, is empty, or a line is none of ours.
    """
    return Access(
        inference=_keys(api_keys, "WEATHERVANE_API_KEYS", environment),
        admin=_keys(admin_keys, "WEATHERVANE_ADMIN_KEYS", environment),
    )


def _keys(file: Path | None, variable: str, environment: Mapping[str, str]) -> tuple[str, ...]:
    if file is None:
        return _parsed(environment.get(variable, ""), variable)
    try:
        keys = _parsed(file.read_text(encoding="utf-8"), str(file))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the keys in {file}: {error}") from error
    # Otherwise everybody would be let in where somebody wanted nobody but a few.
    if not keys:
        raise UsageError(f"{file} holds no key: write one line of SHA-256 for each")
    return keys


def _parsed(text: str, where: str) -> tuple[str, ...]:
    keys = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        found = _LINE.fullmatch(line)
        if not found:
            # The line is not shown: it may be the key itself.
            raise UsageError(f"line {number} of {where} must begin with 64 hex digits, a SHA-256")
        keys.append(found[1])
    return tuple(keys)


def _known(authorization: str | None, keys: tuple[str, ...]) -> bool:
    presented = _presented(authorization or "")
    if presented is None:
        return False
    hashed = sha256(presented).hexdigest()
    # Each is compared, and in constant time: how long it takes tells nothing.
    return sum(compare_digest(hashed, key) for key in keys) > 0


def _presented(authorization: str) -> bytes | None:
    """The key in the header: what follows Bearer, or the password of Basic."""
    scheme, _, value = authorization.partition(" ")
    value = value.strip()
    if scheme.lower() == "bearer":
        return value.encode("utf-8", "surrogateescape")
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).partition(b":")[2]
        except (binascii.Error, ValueError):
            return None
    return None
