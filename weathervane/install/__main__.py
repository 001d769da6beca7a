"""``python -m weathervane.install STEP``: what the chart's Jobs run; nobody types it.

``credentials`` makes Secrets and needs the API server. ``access`` needs what those Secrets say, in
its environment: it makes bucket, users and policies in the store, and users in MLflow.
"""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence

from weathervane.config import StoreConfig, variable
from weathervane.errors import ExitCode, WeathervaneError
from weathervane.install.site import Site, read_site


def make_credentials(site: Site) -> None:
    """Make the Secrets that are missing."""
    from weathervane.install.credentials import ensure
    from weathervane.rollout.kserve.api import connect

    ensure(site, lambda namespace: connect(namespace=namespace), print)


def give_access(site: Site, environment: Mapping[str, str] = os.environ) -> None:
    """Make users and policies, in what belongs to this installation and in nothing else.

    Raises:
        UsageError: naming the variable that is missing.
    """

    def needed(name: str) -> str:
        return variable(name, "the installation", environment)

    if site.own_store:
        from weathervane.install import store

        root = StoreConfig(
            endpoint=site.endpoint,
            access_key=needed("MINIO_ROOT_USER"),
            secret_key=needed("MINIO_ROOT_PASSWORD"),
            bucket=site.bucket,
            region=site.region,
        )
        keys = {
            role: (needed(f"{role.upper()}_ACCESS_KEY"), needed(f"{role.upper()}_SECRET_KEY"))
            for role in site.roles
        }
        store.ensure(root, keys, tell=print)
    if site.own_tracking:
        from weathervane.install import tracking
        from weathervane.install.secrets import USERS

        tracking.ensure(
            site.tracking_uri,
            (needed("MLFLOW_AUTH_ADMIN_USERNAME"), needed("MLFLOW_AUTH_ADMIN_PASSWORD")),
            {
                role: (needed(f"{role.upper()}_USERNAME"), needed(f"{role.upper()}_PASSWORD"))
                for role in USERS
            },
            site.services,
            tell=print,
        )


STEPS = {"credentials": make_credentials, "access": give_access}


def main(arguments: Sequence[str]) -> int:
    """Run a step; its error is one line and its exit code."""
    parser = argparse.ArgumentParser(prog="python -m weathervane.install", description=__doc__)
    parser.add_argument("step", choices=STEPS)
    parser.add_argument("--site", required=True, help="JSON, as the chart writes it")
    told = parser.parse_args(arguments)
    try:
        STEPS[told.step](read_site(told.site))
    except WeathervaneError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return ExitCode.DONE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
