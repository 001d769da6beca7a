"""The object store: where packages, probe pictures and judgements lie. Any S3 endpoint will do.

In: folders and keys. Out: the same folders elsewhere, whole or not at all; a `StoreError` that says
whether the store was unreachable, refused the credentials, or has no such bucket or object.

    s3://<bucket>/
      models/<model>/<digest>/     a package, never changed
      probes/<data digest>/        the labelled pictures that a rollout sends to each revision
      evaluations/<digest>/        figures and verdict of that package
"""

import hashlib
import re
import shutil
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO
from urllib.parse import urlsplit

import urllib3
from minio import Minio
from minio.error import MinioException, S3Error
from minio.helpers import check_bucket_name

from weathervane.config import StoreConfig
from weathervane.errors import StoreError, UsageError
from weathervane.folders import new_folder
from weathervane.registry.package import DESCRIPTION

# An address where nobody answers costs three connection attempts, about 8 seconds together.
_CONNECT_SECONDS = 2.5
_READ_SECONDS = 10.0
_ATTEMPTS_AFTER_THE_FIRST = 2
_TRANSFERS = 4
_READ_BYTES = 1024 * 1024
# Up to this size an object goes in one piece, and its ETag is the MD5 of its content.
_PART_BYTES = 64 * 1024 * 1024

_WRONG_CREDENTIALS = {
    "SignatureDoesNotMatch": "the secret key is wrong",
    "InvalidAccessKeyId": "the access key is unknown",
    "AccessDenied": "a key is wrong, or it may not do this",
}
_ABSENT = {"NoSuchKey", "NoSuchObject", "ResourceNotFound", "NotFound"}


def package_key(model: str, digest: str) -> str:
    """Where a package lies."""
    return f"models/{model}/{digest}"


def probes_key(data_digest: str) -> str:
    """Where the probe pictures of a version of the data lie."""
    return f"probes/{data_digest}"


def evaluations_key(digest: str) -> str:
    """Where the figures and the verdict of a package lie: beside it, not in it."""
    return f"evaluations/{digest}"


@dataclass(frozen=True)
class _Stored:
    size: int
    etag: str


class Store:
    """One bucket of an S3 endpoint. Every method raises `StoreError` and names the reason.

    A place is either a key in the bucket (``models/weather/…``) or a whole address
    (``s3://bucket/models/weather/…``), which may name another bucket of the same endpoint. What can
    be no place is a `UsageError`: asking again will not help.
    """

    def __init__(self, config: StoreConfig) -> None:
        self.config = config
        endpoint = urlsplit(config.endpoint)
        self._client = Minio(
            endpoint=endpoint.netloc,
            access_key=config.access_key,
            secret_key=config.secret_key,
            secure=endpoint.scheme == "https",
            region=config.region,  # named, so that no request is spent on asking for it
            http_client=urllib3.PoolManager(
                maxsize=_TRANSFERS,
                timeout=urllib3.Timeout(connect=_CONNECT_SECONDS, read=_READ_SECONDS),
                retries=urllib3.Retry(
                    total=_ATTEMPTS_AFTER_THE_FIRST,
                    backoff_factor=0.2,
                    status_forcelist=(500, 502, 503, 504),
                    allowed_methods=None,  # every request of ours may be repeated
                    raise_on_status=False,  # the answer's own words tell more
                ),
            ),
        )

    def ensure_bucket(self) -> None:
        """Make the bucket unless it is there."""
        bucket = _checked(self.config.bucket)
        with self._translated(f"s3://{bucket}"):
            if self._client.bucket_exists(bucket_name=bucket):
                return
            try:
                self._client.make_bucket(bucket_name=bucket, location=self.config.region)
            except S3Error as error:
                # Somebody else made it since we looked.
                if error.code not in {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}:
                    raise

    def uri(self, key: str) -> str:
        """The whole address of a key."""
        return f"s3://{self.config.bucket}/{key}"

    def read(self, place: str) -> bytes:
        """The content of one object."""
        bucket, key = self._locate(place)
        with (
            self._translated(f"s3://{bucket}/{key}"),
            closing(self._client.get_object(bucket_name=bucket, object_name=key)) as answer,
        ):
            return bytes(answer.read())

    def exists(self, place: str) -> bool:
        """Whether one object is there; of a package, ask for its ``package.json``."""
        bucket, key = self._locate(place)
        with self._translated(f"s3://{bucket}/{key}"):
            try:
                self._client.stat_object(bucket_name=bucket, object_name=key)
            except S3Error as error:
                if error.code in _ABSENT:
                    return False
                raise
        return True

    def names(self, place: str) -> list[str]:
        """Names of all objects below a prefix, from there on."""
        bucket, key = self._locate(place)
        with self._translated(f"s3://{bucket}/{key}"):
            return [name for name, _ in self._list(bucket, key)]

    def upload_folder(self, folder: Path, prefix: str, *, last: str = DESCRIPTION) -> str:
        """Copy every file of ``folder`` below ``prefix``; files that are there already stay.

        The file ``last`` goes when all others have arrived, so that a half upload can never be
        taken for a whole one. Repeating a broken upload finishes it.

        Returns:
            The address of the prefix.
        """
        bucket, key = self._locate(prefix)
        files = {
            path.relative_to(folder).as_posix(): path
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        if not files:
            raise StoreError(f"nothing to upload: {folder} holds no file")
        final = {last: files.pop(last)} if last in files else {}
        with self._translated(f"s3://{bucket}/{key}"):
            there = dict(self._list(bucket, key))

            def send(name: str, path: Path) -> None:
                if name not in there or not _same_content(path, there[name]):
                    self._client.fput_object(
                        bucket_name=bucket,
                        object_name=f"{key}/{name}",
                        file_path=str(path),
                        part_size=_PART_BYTES,
                    )

            with ThreadPoolExecutor(_TRANSFERS) as pool:
                list(pool.map(send, files.keys(), files.values()))
            for name, path in final.items():
                send(name, path)
        return f"s3://{bucket}/{key}"

    def download_file(self, place: str, file: Path) -> None:
        """Copy one object to ``file``, no more than the store announced."""
        bucket, key = self._locate(place)
        with self._translated(f"s3://{bucket}/{key}"):
            size = self._client.stat_object(bucket_name=bucket, object_name=key).size
            with closing(self._client.get_object(bucket_name=bucket, object_name=key)) as answer:
                _write(answer, file, size or 0)

    def download_folder(
        self, place: str, folder: Path, only: Collection[str] | None = None
    ) -> None:
        """Copy everything below a prefix into ``folder``, which appears when it is whole.

        With ``only``, no more than what is there of these names.

        Nothing is written outside of it, nor more than the store announced, nor anything at all
        when that would not fit.

        Raises:
            UsageError: when ``folder`` is there and is not empty.
        """
        bucket, key = self._locate(place)
        address = f"s3://{bucket}/{key}"
        with self._translated(address):
            stored = dict(self._list(bucket, key))
        if not stored:
            raise StoreError(f"nothing lies at {address} in the store {self.config.endpoint}")
        for name in stored:
            if ".." in PurePosixPath(name).parts or name.startswith("/"):
                raise StoreError(f"{address} holds {name!r}, which is no path inside it")
        if only is not None:
            stored = {name: stored[name] for name in only if name in stored}
        with new_folder(folder) as partial, self._translated(address):
            size, free = sum(one.size for one in stored.values()), shutil.disk_usage(partial).free
            if size > free:
                raise StoreError(f"{address} takes {size} bytes, {free} are free at {folder}")

            def fetch(name: str) -> None:
                target = partial / name
                with closing(
                    self._client.get_object(bucket_name=bucket, object_name=f"{key}/{name}")
                ) as answer:
                    _write(answer, target, stored[name].size)

            with ThreadPoolExecutor(_TRANSFERS) as pool:
                list(pool.map(fetch, stored))

    def _list(self, bucket: str, key: str) -> Iterator[tuple[str, _Stored]]:
        """Every object below a prefix, by its name inside of it."""
        for found in self._client.list_objects(
            bucket_name=bucket, prefix=f"{key}/", recursive=True
        ):
            # Some stores list empty folders as objects that end in a slash.
            if not found.object_name.endswith("/"):
                name = found.object_name.removeprefix(f"{key}/")
                yield name, _Stored(found.size, (found.etag or "").strip('"'))

    def _locate(self, place: str) -> tuple[str, str]:
        bucket, key = self.config.bucket, place
        if place.startswith("s3://"):
            bucket, _, key = place.removeprefix("s3://").partition("/")
        key = key.strip("/")
        if not bucket or not key:
            raise UsageError(f"{place!r} names no place in a bucket; write s3://bucket/prefix")
        return _checked(bucket), key

    @contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        """Turn the client's errors into one line that says what to do."""
        endpoint = self.config.endpoint
        try:
            yield
        except MinioException as error:
            code = _code(error)
            if code in _WRONG_CREDENTIALS:
                raise StoreError(
                    f"the store {endpoint} refuses access key {self.config.access_key!r} for "
                    f"{what}: {_WRONG_CREDENTIALS[code]}; check "
                    "WEATHERVANE_STORE_ACCESS_KEY and WEATHERVANE_STORE_SECRET_KEY"
                ) from error
            if code == "NoSuchBucket":
                raise StoreError(
                    f"the store {endpoint} has no bucket for {what}; make it, or check "
                    "WEATHERVANE_STORE_BUCKET"
                ) from error
            if code in _ABSENT:
                raise StoreError(f"{what} is not in the store {endpoint}") from error
            told = " ".join(str(error).split())[:200]
            if code:
                raise StoreError(f"the store {endpoint} failed at {what}: {told}") from error
            raise StoreError(
                f"{endpoint} does not answer as an S3 store does; check "
                f"WEATHERVANE_STORE_ENDPOINT ({told})"
            ) from error
        except urllib3.exceptions.HTTPError as error:
            raise StoreError(
                f"cannot reach the store {endpoint} for {what}: {_cause(error)}; is it running?"
            ) from error


def _checked(bucket: str) -> str:
    try:
        check_bucket_name(bucket)
    except ValueError as error:
        raise UsageError(
            f"{bucket!r} can be no bucket's name: 3 to 63 letters, digits, '.' and '-', the first "
            "and the last of them no sign"
        ) from error
    return bucket


def _write(answer: IO[bytes], target: Path, size: int) -> None:
    """Write what the store sends, when it is as much as it announced."""
    left = size
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            # One byte more than is left, to see a store that goes on.
            while left >= 0 and (part := answer.read(min(_READ_BYTES, left + 1))):
                file.write(part[:left])
                left -= len(part)
    except OSError as error:
        raise StoreError(f"cannot write {target.name}: {error.strerror}") from error
    if left:
        raise StoreError(f"the store announced {size} bytes for {target.name}, and sent others")


def _same_content(path: Path, stored: _Stored) -> bool:
    """Whether an object is this file, as far as its ETag tells: of big ones it does not."""
    if stored.size != path.stat().st_size:
        return False
    with path.open("rb") as file:
        content = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False))
    return content.hexdigest() == stored.etag


def _code(error: MinioException) -> str | None:
    """The store's own name for what went wrong; None from a server that speaks no S3."""
    if isinstance(error, S3Error):
        return str(error.code)
    # The client does not read answers labelled text/xml, as some stores label them.
    found = re.search(r"<Code>(\w+)</Code>", str(error))
    return found[1] if found else None


def _cause(error: urllib3.exceptions.HTTPError) -> str:
    """The innermost reason, without the names of pools and retries."""
    reason = getattr(error, "reason", None) or error
    return str(reason).rpartition(": ")[2] or type(reason).__name__
