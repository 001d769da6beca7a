"""Both fronts over one model: what answers over REST and gRPC, and counts, for one package.

In: a model that is ready. Out: `Fronts`, to be put in place of those of the model before as a
whole. Nothing on the way of a request asks who serves: its route and its call belong to one model.
"""

from dataclasses import dataclass
from functools import partial

from predictor.access import Access
from predictor.metrics import Families, Metrics
from predictor.model import PackagedModel
from predictor.payloads import PayloadLog, Source
from predictor.repository import Repository
from predictor.routes import Front
from predictor.servicer import Servicer
from predictor.settings import ServeConfig
from predictor.workers import Workers


@dataclass(frozen=True, kw_only=True)
class Fronts:
    """What answers for one model."""

    rest: Front
    grpc: Servicer
    headers: tuple[tuple[str, str], ...]  # of every answer


@dataclass(frozen=True, kw_only=True)
class FrontBuilder:
    """What the fronts of every model have in common."""

    config: ServeConfig
    access: Access
    workers: Workers
    families: Families
    repository: Repository
    payloads: PayloadLog | None

    def over(self, model: PackagedModel) -> Fronts:
        """The fronts of one model."""
        package = model.package
        metrics = Metrics(
            self.families,
            model=model.name,
            revision=model.revision,
            digest=package.digest,
            labels=package.labels,
            ood_threshold=package.ood_threshold,
        )
        source = Source(
            service=model.name, revision=model.revision, digest=package.digest, metrics=metrics
        )
        offer = partial(self.payloads.offer, source) if self.payloads else None
        headers = (
            ("x-weathervane-revision", model.revision),
            ("x-weathervane-digest", package.digest),
        )
        rest = Front(
            model,
            self.workers,
            metrics,
            max_body_bytes=self.config.max_body_bytes,
            access=self.access,
            repository=self.repository,
            offer=offer,
            docs=self.config.docs,
        )
        grpc = Servicer(
            model,
            self.workers,
            metrics,
            headers,
            access=self.access,
            repository=self.repository,
            offer=offer,
        )
        return Fronts(rest=rest, grpc=grpc, headers=headers)
