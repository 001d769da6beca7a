"""The command line: each room brings its commands, and every error becomes one line and a code.

Imports stay light: a room imports what is heavy inside its commands, so that ``--help`` answers at
once and works without the extras.
"""

import errno
import signal
import sys
from importlib.metadata import entry_points

import typer
from rich.console import Console

from weathervane.data import commands as data_commands
from weathervane.doctor.commands import doctor
from weathervane.errors import ExitCode, WeathervaneError
from weathervane.evaluation.commands import cross_validate
from weathervane.local import commands as local_commands
from weathervane.predict import predict
from weathervane.rollout import commands as rollout_commands
from weathervane.training.commands import tune

app = typer.Typer(
    name="weathervane",
    help="Retrain picture classifiers and release them by canary, taken back when it is worse.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(data_commands.app, name="data")
app.add_typer(local_commands.app, name="local")
app.add_typer(rollout_commands.app, name="rollout")
app.command()(predict)
app.command()(doctor)
app.command()(cross_validate)
app.command()(tune)


def _join_extras() -> None:
    """Let the rooms that need kfp or the kserve SDK add their commands."""
    for entry_point in sorted(entry_points(group="weathervane.commands"), key=lambda e: e.name):
        entry_point.load()(app)


def _end_as_if_interrupted(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def main() -> None:
    """Run ``weathervane`` and leave with the exit code that the outcome has."""
    # Whoever ends us politely gets the same cleaning up as Ctrl-C.
    signal.signal(signal.SIGTERM, _end_as_if_interrupted)
    complain = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    try:
        _join_extras()
        app()
    except KeyboardInterrupt:
        complain.print("interrupted")
        sys.exit(ExitCode.INTERRUPTED)
    except WeathervaneError as error:
        complain.print(f"error: {error}")
        sys.exit(error.exit_code)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        complain.print(f"error: no room left on the disk for {error.filename or 'our files'}")
        sys.exit(ExitCode.PLATFORM)


if __name__ == "__main__":
    main()
