"""What both modes of KServe have in common: whom they ask, what they count, what they remember."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence

from weathervane.rollout.counts import Counts
from weathervane.rollout.kserve.api import Api
from weathervane.rollout.kserve.notebook import Notebook
from weathervane.rollout.kserve.owned import Owned
from weathervane.rollout.kserve.pods import Pods
from weathervane.rollout.kserve.status import predictor_complaint
from weathervane.rollout.kserve.template import Template
from weathervane.rollout.kserve.waiting import until
from weathervane.rollout.port import Capability, Prediction


class KServeDeployment(ABC):
    """One InferenceService that we own; ``template`` is what each revision is made of."""

    capabilities = frozenset({Capability.WEIGHT})

    def __init__(self, api: Api, notebook: Notebook, service: str, template: Template) -> None:
        self.service = service
        self._api = api
        self._notebook = notebook
        self._template = template
        self._owned = Owned(api, notebook, service)
        self._pods = Pods(api, service)

    def counts(self) -> Mapping[str, Counts]:
        """See `Deployment`."""
        read = {name: self._pods.counts(name, self._labels(name)) for name in self._names()}
        return {name: counts for name, counts in read.items() if counts is not None}

    def predict(self, revision: str, pictures: Sequence[bytes]) -> list[Prediction]:
        """See `Deployment`."""
        return self._pods.predict(revision, self._labels(revision), pictures)

    @abstractmethod
    def _names(self) -> Iterable[str]:
        """The revisions that serve."""

    @staticmethod
    @abstractmethod
    def _labels(revision: str) -> dict[str, str]:
        """What the pods of a revision are labelled with."""

    def _until(self, holds: Callable[[], bool], what: str) -> None:
        def said() -> str:
            return predictor_complaint(self._owned.read() or {})

        until(holds, self._api.pace, what, said)
