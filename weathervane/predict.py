"""``weathervane predict``: classify picture files through the served model."""

from pathlib import Path
from typing import Annotated

import typer

from weathervane.errors import UsageError


def predict(
    files: Annotated[list[Path], typer.Argument(help="Pictures: JPEG, PNG or WebP.")],
    address: Annotated[
        str, typer.Option(help="The server, http://host:port; default: the local platform's.")
    ] = "",
    model: Annotated[str, typer.Option(help="Name of the served model.")] = "weather",
) -> None:
    """Classify pictures with the model that is served now."""
    from weathervane.client import classify
    from weathervane.local.platform import gateway_address

    server = address or gateway_address()
    pictures = []
    for file in files:
        try:
            pictures.append(file.read_bytes())
        except OSError as error:
            raise UsageError(f"cannot read {file}: {error.strerror}") from error
    for file, answer in zip(files, classify(server, model, pictures), strict=True):
        typer.echo(f"{file}\t{answer.label}\t{answer.confidence:.3f}")
