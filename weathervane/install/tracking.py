"""MLflow's users, and what each may change, by its server's own interface.

In: the admin's log-in and those of each role. Out: it is so; asked again, it stays so. Everybody
else with a log-in may read. Source: mlflow/server/auth/routes.py of MLflow 3.17.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import httpx

from weathervane.errors import TrackingError

_LOOK_SECONDS = 2.0
_ANSWER_SECONDS = 30.0
# Steps of pipelines make versions and runs; a rollout moves the alias.
_PERMISSION = {"pipeline": "EDIT", "rollout": "EDIT"}


def ensure(
    uri: str,
    admin: tuple[str, str],
    users: Mapping[str, tuple[str, str]],
    models: Iterable[str],
    *,
    seconds: float = 300.0,
    tell: Callable[[str], None] = lambda line: None,
) -> None:
    """Make the users and the registered models, and give each role its permission on them.

    Args:
        uri: the server.
        admin: name and password.
        users: name and password by role.
        models: names of registered models.
        seconds: how long to wait for a server that does not answer yet.
        tell: told one line for each thing, without any password.

    Raises:
        TrackingError: when the server refuses, or does not answer in time.
    """
    with httpx.Client(base_url=uri, auth=admin, timeout=_ANSWER_SECONDS, trust_env=False) as client:
        _await(client, seconds)
        for role, (name, password) in users.items():
            made = {"username": name, "password": password}
            if _post(client, "/api/2.0/mlflow/users/create", made, "RESOURCE_ALREADY_EXISTS"):
                # Somebody may have put another password into the Secret.
                _send(client, "PATCH", "/api/2.0/mlflow/users/update-password", made)
            tell(f"user {name}: {role}")
        for model in models:
            created = "/api/2.0/mlflow/registered-models/create"
            _post(client, created, {"name": model}, "RESOURCE_ALREADY_EXISTS")
            for role, (name, _) in users.items():
                grant = {
                    "username": name,
                    "resource_type": "registered_model",
                    "resource_id": model,
                    "permission": _PERMISSION[role],
                }
                path = "/api/3.0/mlflow/users/permissions/grant"
                _post(client, path, grant, "RESOURCE_ALREADY_EXISTS")
                tell(f"user {name}: {_PERMISSION[role]} on model {model}")


def _await(client: httpx.Client, seconds: float) -> None:
    give_up = time.monotonic() + seconds
    while True:
        try:
            client.get("/health").raise_for_status()
        except httpx.HTTPError as error:
            if time.monotonic() > give_up:
                raise TrackingError(
                    f"MLflow at {client.base_url} did not answer within {seconds:.0f} s: {error}"
                ) from error
            time.sleep(_LOOK_SECONDS)
        else:
            return


def _post(client: httpx.Client, path: str, body: Mapping[str, Any], borne: str = "") -> bool:
    """Post; whether the server refused with the one code that is borne."""
    return _send(client, "POST", path, body, borne)


def _send(
    client: httpx.Client, method: str, path: str, body: Mapping[str, Any], borne: str = ""
) -> bool:
    try:
        answer = client.request(method, path, json=dict(body))
    except httpx.HTTPError as error:
        raise TrackingError(f"MLflow at {client.base_url} failed at {path}: {error}") from error
    if answer.is_success:
        return False
    if borne and borne in answer.text:
        return True
    raise TrackingError(
        f"MLflow at {client.base_url} refused {path} with {answer.status_code}: {answer.text[:200]}"
    )
