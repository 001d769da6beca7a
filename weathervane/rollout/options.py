"""What the commands of a rollout have in common on the command line."""

import getpass
from pathlib import Path
from typing import Annotated

import typer

from weathervane.rollout.plan import Plan

Model = Annotated[str, typer.Option(help="Name of the registered model and of its service.")]
Who = Annotated[
    str, typer.Option(help="Who asks for it, for the record.", show_default="the user's name")
]
PlanFile = Annotated[
    Path | None, typer.Option("--plan", help="The plan, YAML; default: the defaults.")
]
Namespace = Annotated[
    str,
    typer.Option(
        "--namespace",
        "-n",
        help="On a cluster: the namespace of the service. With neither this nor --context: on "
        "this machine.",
    ),
]
Context = Annotated[str, typer.Option(help="On a cluster: the kubeconfig's context.")]
TemplateFile = Annotated[
    Path | None,
    typer.Option(
        "--template",
        envvar="WEATHERVANE_TEMPLATE",
        help="On a cluster: the InferenceService without a model; default: the one that lies there",
    ),
]


def named(who: str) -> str:
    """Who asks: as told, or the user of this process."""
    return who or getpass.getuser()


def read_plan(file: Path | None) -> Plan:
    """The plan in a file, or the default one.

    Raises:
        UsageError: naming the file, the key, the value and what was expected.
    """
    from weathervane.config import from_mapping, read_yaml

    return from_mapping(Plan, read_yaml(file), str(file)) if file else Plan()
