"""``weathervane local``: the platform of one machine, from the terminal."""

from typing import Annotated

import typer

from weathervane.config import state_folder

app = typer.Typer(
    help="The platform of this machine: object store, MLflow, gateway, predictors.",
    no_args_is_help=True,
)


@app.command()
def up(
    port: Annotated[
        int | None,
        typer.Option(
            min=1, max=65535, help="The gateway's port; default: the last, or a free one."
        ),
    ] = None,
) -> None:
    """Start what does not run, serve the champion, and print the addresses."""
    from weathervane.local.platform import Platform

    platform = Platform(state_folder())
    addresses = platform.up(port=port, progress=typer.echo)
    routes = platform.routes()
    if routes and routes.live:
        typer.echo("\nclassify a picture file:")
        typer.echo(f"  curl -F file=@picture.jpg {addresses.gateway}/predict")
    else:
        typer.echo("\nno model is served yet; the gateway answers 503 until one is released")
    typer.echo("stop it all: weathervane local down")


@app.command()
def status() -> None:
    """Print each part of the platform, how it is, and where."""
    from rich.console import Console
    from rich.table import Table

    from weathervane.local.platform import Platform

    parts = Platform(state_folder()).status()
    if not parts:
        typer.echo(f"no platform was ever started in {state_folder()}: weathervane local up")
        return
    table = Table("part", "state", "address", "", box=None)
    for part in parts:
        address = "" if part.state == "stopped" else part.address
        table.add_row(part.name, part.state, address, part.message)
    Console(highlight=False).print(table)


@app.command()
def down() -> None:
    """Stop every process of the platform; what it has stored stays."""
    from weathervane.local.platform import Platform

    state = state_folder()
    Platform(state).down()
    typer.echo(f"nothing runs in {state} any more")
