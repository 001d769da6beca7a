"""One service of a cluster with all that its rollouts need: the place where they are wired."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from weathervane.config import parse_yaml, read_yaml, store_from_environment, tracking_uri
from weathervane.errors import UsageError
from weathervane.registry.store import Store
from weathervane.registry.versions import Registry
from weathervane.rollout.hooks import Hooks
from weathervane.rollout.kserve.api import CONFIG_MAP, Api, Pace, connect
from weathervane.rollout.kserve.events import Events
from weathervane.rollout.kserve.journal import ClusterJournal
from weathervane.rollout.kserve.knative import KnativeDeployment
from weathervane.rollout.kserve.lease import Claim
from weathervane.rollout.kserve.modes import open_deployment
from weathervane.rollout.kserve.notebook import Notebook
from weathervane.rollout.kserve.standard import StandardDeployment
from weathervane.rollout.kserve.template import (
    TEMPLATE,
    TEMPLATE_KEY,
    Template,
    check_name,
    read_template,
)
from weathervane.rollout.loop import Rollout
from weathervane.rollout.plan import Plan, Strategy

# In Knative mode a canary has at most what leaves stable something to be compared by.
_KNATIVE_STEPS = (10, 25, 50)


@dataclass(frozen=True)
class ClusterService:
    """A service in one namespace of one cluster. Give the same members as `LocalService`."""

    api: Api
    name: str
    # None: the one that lies in the cluster, which the Job gets.
    template_file: Path | None = None
    # Told every entry of the record, whole.
    tell: Callable[[Mapping[str, Any]], None] = lambda entry: None

    @cached_property
    def template(self) -> Template:
        """What its revisions are made of.

        Raises:
            UsageError: when there is none, or it cannot be used.
        """
        if self.template_file:
            where = str(self.template_file)
            return read_template(read_yaml(self.template_file), where)
        where = f"ConfigMap {TEMPLATE} in namespace {self.api.namespace}"
        text = ((self.api.get(CONFIG_MAP, TEMPLATE) or {}).get("data") or {}).get(TEMPLATE_KEY)
        if text is None:
            raise UsageError(f"there is no {where} with key {TEMPLATE_KEY}: give --template")
        return read_template(parse_yaml(text, where), where)

    @cached_property
    def _notebook(self) -> Notebook:
        return Notebook(self.api, self.name)

    @cached_property
    def deployment(self) -> KnativeDeployment | StandardDeployment:
        """What serves it."""
        return open_deployment(self.api, self._notebook, self.name, self.template)

    @cached_property
    def journal(self) -> ClusterJournal:
        """The memory of its rollouts."""
        claim, events = Claim(self.api, self.name), Events(self.api, self.name)
        return ClusterJournal(self._notebook, claim, events, tell=self.tell)

    @cached_property
    def store(self) -> Store:
        """Where its packages lie."""
        return Store(store_from_environment())

    @cached_property
    def registry(self) -> Registry:
        """Where its versions are named."""
        return Registry(tracking_uri(), store=store_from_environment())

    def record(self) -> list[dict[str, Any]]:
        """What happened in its rollouts, as far as it is kept, the oldest first."""
        return list(self.journal.entries())

    def rollout(self, announce: Callable[[str], None] = lambda line: None) -> Rollout:
        """The engine over this service."""
        return Rollout(
            self.deployment,
            self.journal,
            announce=announce,
            outside=lambda plan: Hooks(self.name, plan.webhooks, say=announce),
        )

    def suited(self, plan: Plan) -> Plan:
        """The plan; a canary that names no steps gets those that suit the mode."""
        if self.template.mode == "Knative" and plan.strategy is Strategy.CANARY and not plan.steps:
            return replace(plan, steps=_KNATIVE_STEPS)
        return plan

    def check_plan(self, plan: Plan) -> None:
        """Refuse a plan that the platform cannot carry out, before anything is written.

        Raises:
            UsageError: naming the step.
        """
        if self.template.mode == "Knative" and 100 in plan.weights:
            raise UsageError(
                "in Knative mode KServe takes the stable revision down as soon as the canary has "
                f"100 %, so nothing is left to compare with: the plan's steps {list(plan.weights)} "
                "must end below 100"
            )


def open_cluster_service(
    name: str,
    template: Path | None = None,
    *,
    context: str = "",
    namespace: str = "",
    tell: Callable[[Mapping[str, Any]], None] = lambda entry: None,
    pace: Pace | None = None,
) -> ClusterService:
    """Open a service of the cluster that a kubeconfig names, or that this process runs in.

    Raises:
        UsageError: when there is no such cluster, or its service can have no such name.
    """
    check_name(name)
    api = connect(context=context, namespace=namespace, pace=pace)
    return ClusterService(api, name, template, tell)
