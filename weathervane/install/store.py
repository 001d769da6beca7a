"""The bucket, a user for each role, and what each may do, in a MinIO of our own.

In: the store's root keys and those of each role. Out: it is so; asked again, it stays so.
"""

import time
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

import urllib3
from minio import MinioAdmin
from minio.credentials import StaticProvider
from minio.error import MinioAdminException

from weathervane.config import StoreConfig
from weathervane.errors import StoreError
from weathervane.install.policies import policy
from weathervane.registry.store import Store

_LOOK_SECONDS = 2.0


def ensure(
    root: StoreConfig,
    users: Mapping[str, tuple[str, str]],
    *,
    seconds: float = 300.0,
    tell: Callable[[str], None] = lambda line: None,
) -> None:
    """Make the bucket, the users and their policies.

    Args:
        root: the store, with its root keys.
        users: access key and secret key by role.
        seconds: how long to wait for a store that does not answer yet.
        tell: told one line for each thing, without any key.

    Raises:
        StoreError: when the store refuses, or does not answer in time.
    """
    _when_it_answers(Store(root).ensure_bucket, seconds)
    tell(f"bucket {root.bucket}")
    address = urlsplit(root.endpoint)
    admin = MinioAdmin(
        endpoint=address.netloc,
        credentials=StaticProvider(root.access_key, root.secret_key),
        region=root.region,
        secure=address.scheme == "https",
    )
    for role, (access_key, secret_key) in users.items():
        name = f"weathervane-{role}"
        try:
            admin.policy_add(name, policy=policy(role, root.bucket))
            admin.user_add(access_key, secret_key)
            _attach(admin, name, access_key)
        except (MinioAdminException, urllib3.exceptions.HTTPError) as error:
            raise StoreError(
                f"the store {root.endpoint} failed at user {access_key!r} of role {role}: "
                f"{' '.join(str(error).split())[:200]}"
            ) from error
        tell(f"user {access_key}: policy {name}")


def _attach(admin: MinioAdmin, name: str, user: str) -> None:
    try:
        admin.attach_policy([name], user=user)
    except MinioAdminException as error:
        # MinIO's answer when there is nothing to change.
        if "XMinioAdminPolicyChangeAlreadyApplied" not in str(error):
            raise


def _when_it_answers(act: Callable[[], None], seconds: float) -> None:
    give_up = time.monotonic() + seconds
    while True:
        try:
            return act()
        except StoreError:
            if time.monotonic() > give_up:
                raise
            time.sleep(_LOOK_SECONDS)
