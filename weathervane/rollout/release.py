"""A release: from a name in the registry to live traffic, and the registry's alias after it.

In: which package, and where the store and MLflow are. Out: an `Outcome`; the alias ``champion``
names what is stable.
"""

import hashlib
import json
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

from weathervane.data.probes import Probe, read_probes
from weathervane.errors import PackageError, RolloutRunningError, UsageError
from weathervane.registry.package import DESCRIPTION
from weathervane.registry.store import Store, package_key, probes_key
from weathervane.registry.versions import CHALLENGER, CHAMPION, Registry
from weathervane.rollout.loop import Rollout
from weathervane.rollout.outcome import Outcome
from weathervane.rollout.plan import Plan
from weathervane.rollout.port import Deployment, Journal, Release


def resolve(registry: Registry, store: Store, model: str, package: str) -> Release:
    """Turn an alias or a digest into a release, once: from here on only the digest counts.

    Raises:
        UsageError: when the alias names nothing, or ``package`` is neither alias nor digest.
    """
    if re.fullmatch(r"[0-9a-f]{64}", package):
        return Release(digest=package, uri=store.uri(package_key(model, package)))
    if package not in (CHAMPION, CHALLENGER):
        raise UsageError(
            f"a package is {CHALLENGER}, {CHAMPION} or a digest of 64 hex digits, got {package!r}"
        )
    release = registry.alias(model, package)
    if release is None:
        raise UsageError(f"model {model} has no {package} yet: run the training pipeline first")
    return release


def fetch_probes(store: Store, release: Release) -> tuple[Probe, ...]:
    """Fetch the labelled probes of the data that a package was trained on.

    Raises:
        PackageError: when there is no such package, or its description is not the one that its
            digest names.
        StoreError: when its probes are not in the store, or the store does not answer.
    """
    description = f"{release.uri}/{DESCRIPTION}"
    if not store.exists(description):
        raise PackageError(
            f"there is no package {release.digest} in the store: nothing lies at {description}"
        )
    text = store.read(description)
    if hashlib.sha256(text).hexdigest() != release.digest:
        raise PackageError(f"what lies at {release.uri} is not package {release.digest}")
    data_digest = json.loads(text)["data_digest"]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch, "probes")
        store.download_folder(probes_key(data_digest), folder)
        return read_probes(folder)


def roll_out(
    rollout: Rollout,
    registry: Registry,
    model: str,
    release: Release,
    *,
    plan: Plan,
    probes: Sequence[Probe],
    who: str,
    replayed: Sequence[bytes] = (),
    again: bool = False,
    name: str = "",
) -> Outcome:
    """Roll out and let the alias follow. Arguments and errors are those of `Rollout.start`."""
    outcome = rollout.start(release, plan, probes, who, replayed=replayed, again=again, name=name)
    if outcome.promoted:
        repair_champion(rollout.deployment, registry, model)
    return outcome


def take_back(rollout: Rollout, journal: Journal, *, who: str, why: str) -> Outcome | None:
    """End the rollout that ``who`` began and that no process drives any more.

    None when there is no such rollout: one of somebody else's, or one that is driven, stays.
    """
    try:
        with journal.claim(who):
            left = rollout.unfinished()
    except RolloutRunningError:
        return None
    if left is None or left.begun_by != who:
        return None
    return rollout.abort(who, why)


def repair_champion(deployment: Deployment, registry: Registry, model: str) -> str | None:
    """Point the alias at what is live; the digest if it had to be moved.

    A process that was killed between the promotion and the alias leaves the two apart, and the
    live object is the truth.
    """
    moved = None
    # Looked at again after each write: something else may have been promoted since, and whoever
    # did so may have moved the alias before we did.
    while (stable := deployment.observe().stable) is not None:
        champion = registry.alias(model, CHAMPION)
        if champion and champion.digest == stable.digest:
            break
        registry.set_alias(model, CHAMPION, stable.digest)
        moved = stable.digest
    return moved
