"""``weathervane predictor serve``: the predictor as one of the command line's rooms."""

import typer

app = typer.Typer(help="Serve a package.", no_args_is_help=True)


def register(root: typer.Typer) -> None:
    """Join the command line."""
    root.add_typer(app, name="predictor")


@app.callback()
def _group() -> None:
    """Keep ``serve`` a word of its own while it is the only command."""


@app.command(
    # One place describes the options: the predictor's own.
    context_settings={
        "allow_extra_args": True,
        "ignore_unknown_options": True,
        "help_option_names": [],
    },
    add_help_option=False,
)
def serve(context: typer.Context) -> None:
    """Serve one package over REST and gRPC; all options: weathervane predictor serve --help."""
    from predictor.__main__ import run

    run(context.args, "weathervane predictor serve")
