"""Bodies of requests: read up to a bound, and forms taken apart. Or a `ProtocolError`."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass

from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from predictor.protocol import ProtocolError, malformed


@dataclass(frozen=True)
class File:
    """One file of a form, and how its sender calls it."""

    name: str
    content: bytes


async def read_body(request: Request, *, most: int) -> bytes:
    """The whole body.

    Raises:
        ProtocolError: 413 beyond ``most`` bytes, 415 when it is compressed.
        ClientDisconnect: when its sender leaves.
    """
    encoding = request.headers.get("content-encoding", "identity")
    if encoding != "identity":
        raise ProtocolError(415, f"Content-Encoding {encoding!r} is not read; send it plain")
    # Refuse before reading where the client says so itself.
    if int(request.headers.get("content-length", 0)) > most:
        raise _too_large(most)
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            # Made here: an error that this frame has a name for would be kept by it, and with both
            # all that has come, until the collector of cycles comes by.
            raise _too_large(most)
        parts.append(part)
    return b"".join(parts)


def _too_large(most: int) -> ProtocolError:
    return ProtocolError(413, f"a request has at most {most} bytes")


async def read_files(headers: Headers, body: bytes, field: str, *, most: int) -> list[File]:
    """The files in one field of a form, in their order; at least one.

    Args:
        headers: of the request.
        body: all of it.
        field: what the files are to be called.
        most: files in the form.

    Raises:
        ProtocolError: 415 when it is no form; 400 for another or a broken one.
    """
    if not headers.get("content-type", "").startswith("multipart/form-data"):
        raise ProtocolError(
            415, f"send a form with the field '{field}': curl -F {field}=@photo.jpg …"
        )

    async def whole() -> AsyncGenerator[bytes, None]:
        yield body

    parser = MultiPartParser(headers, whole(), max_files=most, max_fields=8)
    # The body is in memory and bounded: never spool it to a disk that may be read-only.
    parser.spool_max_size = len(body)
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise malformed(f"the form cannot be read: {error.message}") from error
    except ValueError as error:
        # A charset of the form's choice that decodes nothing.
        raise malformed("the form cannot be read: send it in UTF-8") from error
    try:
        files = form.getlist(field)
        if not files or not all(isinstance(file, UploadFile) for file in files):
            raise malformed(f"the form must hold a file in the field '{field}'")
        return [
            File(file.filename or "", await file.read())
            for file in files
            if isinstance(file, UploadFile)
        ]
    finally:
        await form.close()
