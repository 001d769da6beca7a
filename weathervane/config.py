"""Settings: what can be chosen, the defaults, and the only code that reads environment and files.

In: environment variables named ``WEATHERVANE_…`` (and MLflow's own), YAML files of settings.
Out: frozen dataclasses that have checked themselves, or a `UsageError` that names the key, the
value and what was expected.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from pydantic import ConfigDict, TypeAdapter, ValidationError

from weathervane.errors import UsageError

Settings = TypeVar("Settings")

# Misspelt keys are errors wherever settings come from outside.
_STRICT = ConfigDict(extra="forbid")


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise UsageError(message)


@dataclass(frozen=True, kw_only=True)
class StoreConfig:
    """Where packages live: any S3 endpoint."""

    endpoint: str  # with its scheme, e.g. http://127.0.0.1:9000
    access_key: str
    secret_key: str = field(repr=False)
    bucket: str = "weathervane"
    region: str = "us-east-1"

    def __post_init__(self) -> None:
        _require(
            self.endpoint.startswith(("http://", "https://")),
            f"the store's endpoint must start with http:// or https://, got {self.endpoint!r}",
        )

    def as_environment(self) -> dict[str, str]:
        """The variables from which `store_from_environment` makes this again."""
        return {
            "WEATHERVANE_STORE_ENDPOINT": self.endpoint,
            "WEATHERVANE_STORE_ACCESS_KEY": self.access_key,
            "WEATHERVANE_STORE_SECRET_KEY": self.secret_key,
            "WEATHERVANE_STORE_BUCKET": self.bucket,
            "WEATHERVANE_STORE_REGION": self.region,
        }


@dataclass(frozen=True, kw_only=True)
class SplitConfig:
    """Shares of the pictures in each split; what they leave is for training."""

    validation: float = 0.15
    test: float = 0.20
    probe: float = 0.10
    # No more pictures become probes than a rollout needs to see this much accuracy lost.
    probe_loss: float = 0.03
    seed: int = 0
    # The manifest whose pictures keep their splits: a file, or s3://bucket/key.
    previous: str | None = None

    __pydantic_config__ = _STRICT

    def __post_init__(self) -> None:
        shares = (self.validation, self.test, self.probe)
        _require(
            all(0 < share < 1 for share in shares) and sum(shares) < 0.9,
            "the shares of validation, test and probe must each be above 0 and leave at least "
            f"0.1 for training, got {shares}",
        )
        _require(0 < self.probe_loss < 1, f"probe_loss must be a share, got {self.probe_loss}")


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """From which figure on a finding is a warning, and from which on it stops; None: never."""

    warn: float | None = None
    stop: float | None = None

    __pydantic_config__ = _STRICT

    def __post_init__(self) -> None:
        _require(
            self.warn is None or self.stop is None or self.warn <= self.stop,
            f"warn must not be above stop, got {self.warn} and {self.stop}",
        )


@dataclass(frozen=True, kw_only=True)
class ValidationConfig:
    """What is found odd about pictures, and which findings stop the pipeline."""

    min_classes: int = 2
    min_pictures_per_class: int = 10
    max_unreadable_share: float = 0.05
    # Look for labels that are probably wrong, which takes about as long again.
    label_errors: bool = False
    max_aspect: float = 3.0  # the longer side over the shorter one
    large_megapixels: float = 8.0  # larger ones only take time
    # Grey values, 0 to 1: the mean of a dark and of a bright picture, the deviation of a flat one.
    dark: float = 0.05
    bright: float = 0.95
    flat: float = 0.03
    # log10 of the variance of the Laplacian at 192 pixels: fog and bare sky have 0.6 and more.
    blurred: float = 0.5
    # By code of a check: its figure must be above these. The figure is the share of files, of
    # WV1xx the number of classes, of WV501 the ratio of the largest class to the smallest.
    checks: Mapping[str, Bounds] = field(default_factory=dict)

    __pydantic_config__ = _STRICT

    def __post_init__(self) -> None:
        _require(
            self.min_classes >= 2,
            f"min_classes must be at least 2, got {self.min_classes}: one class is no choice",
        )
        _require(
            self.min_pictures_per_class >= 4,
            "min_pictures_per_class must be at least 4, one for each split, "
            f"got {self.min_pictures_per_class}",
        )


@dataclass(frozen=True, kw_only=True)
class ShiftConfig:
    """From where on two sets of pictures are different: a figure that warns and one that stops.

    A normal feature that moved by 0.3 and by 0.5 standard deviations reaches them, by each figure.
    """

    # What a pipeline compares its pictures with: pictures, or a baseline (.json); "" is nothing.
    against: str = ""
    psi: tuple[float, float] = (0.1, 0.25)
    ks: tuple[float, float] = (0.12, 0.2)
    wasserstein: tuple[float, float] = (0.3, 0.5)  # in standard deviations of the baseline
    # The chance of any alarm at all about two sets from the same source.
    significance: float = 0.01

    __pydantic_config__ = _STRICT

    def __post_init__(self) -> None:
        for name in ("psi", "ks", "wasserstein"):
            warn, stop = bounds = getattr(self, name)
            _require(0 < warn <= stop, f"{name} must be two rising figures above 0, got {bounds}")
        _require(
            0 < self.significance < 1,
            f"significance must lie between 0 and 1, got {self.significance}",
        )


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How to fit one classifier. The defaults suit two CPU cores and 1,000 pictures."""

    architecture: str = "cnn"
    epochs: int = 12
    batch_size: int = 32
    learning_rate: float = 3e-3
    # Epochs without a better validation loss before training ends.
    patience: int = 5
    # How the learning rate goes from its first value: down to nothing, or nowhere.
    schedule: Literal["cosine", "constant"] = "cosine"
    # How classes of few pictures count as much as others: each picture of them more, or more often.
    balance: Literal["weights", "sampling", "none"] = "weights"
    # The share of each label that is spread over all classes.
    label_smoothing: float = 0.0
    # Backbone weights: a file, "imagenet" (Keras downloads them) or None (random).
    weights: str | None = None
    # Penalty on the squared weights of a head over the standardised features of a backbone. On
    # photographs of five weathers, 0.01 to 0.1 do equally well.
    head_penalty: float = 0.03
    # With weights: how many of the backbone's last layers learn on, once the head has learned.
    # Their batch norm stays as it is.
    unfrozen_layers: int = 0
    unfrozen_learning_rate: float = 1e-4
    seed: int = 0

    __pydantic_config__ = _STRICT

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "patience"):
            value = getattr(self, name)
            _require(value >= 1, f"{name} must be at least 1, got {value}")
        for name in ("learning_rate", "unfrozen_learning_rate"):
            value = getattr(self, name)
            _require(value > 0, f"{name} must be above 0, got {value}")
        for name in ("head_penalty", "unfrozen_layers", "seed"):
            value = getattr(self, name)
            _require(value >= 0, f"{name} must be at least 0, got {value}")
        _require(
            0 <= self.label_smoothing < 1,
            f"label_smoothing must be from 0 to below 1, got {self.label_smoothing}",
        )


@dataclass(frozen=True, kw_only=True)
class EvaluationConfig:
    """How candidates are looked at before they are judged."""

    # Properties by which the test pictures are cut: brightness, sharpness, size, or a column of
    # the manifest.
    slices: tuple[str, ...] = ("brightness", "sharpness", "size")
    # Share of familiar pictures that the threshold for unfamiliar ones may flag.
    false_positives: float = 0.05
    # Test pictures that are disturbed, and that are explained, for each candidate.
    disturbed: int = 300
    explained: int = 6

    __pydantic_config__ = _STRICT

    def __post_init__(self) -> None:
        _require(
            0 < self.false_positives < 1,
            f"false_positives must be above 0 and below 1, got {self.false_positives}",
        )
        for name in ("disturbed", "explained"):
            value = getattr(self, name)
            _require(value >= 0, f"{name} must be at least 0, got {value}")


# Every gate that there is, by the key that settings name it by; docs/gates.md tells what each
# asks for.
GATES = (
    *("answers", "accuracy", "macro_f1", "class_recall", "slice_accuracy", "calibration"),
    *("latency", "size", "robustness", "parity", "parity_labels", "as_trained", "leaked"),
    *("memory", "accuracy_loss", "losses", "macro_f1_loss", "macro_f1_worse", "macro_f1_shown"),
    *("slice_losses", "latency_ratio"),
)


@dataclass(frozen=True, kw_only=True)
class GateConfig:
    """What a candidate must reach before it may be registered."""

    min_accuracy: float = 0.70
    min_macro_f1: float = 0.60
    min_class_recall: float = 0.30
    min_slice_accuracy: float = 0.30
    # Slices of fewer pictures are shown and not judged.
    min_slice_pictures: int = 30
    # Beyond what chance gives a calibrated model on as many pictures.
    max_ece: float = 0.08
    max_latency_p95_seconds: float = 0.25
    max_package_mebibytes: float = 200.0
    max_robustness_loss: float = 0.30
    # The served engine against the SavedModel, and the SavedModel against its training.
    max_parity_difference: float = 1e-4
    max_export_loss: float = 0.05
    # Below this chance, test pictures are found too much more often than probe pictures.
    leak_significance: float = 0.001
    # Against the champion on the same pictures: losses that are large, and losses that are shown,
    # with less than this chance that a candidate that is not worse is refused by one test.
    max_accuracy_loss: float = 0.05
    max_macro_f1_loss: float = 0.05
    significance: float = 0.01
    max_latency_ratio: float = 2.0
    # Gates that warn and do not block.
    advisory: tuple[str, ...] = ("robustness", "macro_f1_shown", "latency_ratio")

    __pydantic_config__ = _STRICT

    def __post_init__(self) -> None:
        unknown = [key for key in self.advisory if key not in GATES]
        _require(
            not unknown,
            f"advisory names {', '.join(unknown)}; the gates are {', '.join(GATES)}",
        )
        _require(
            0 < self.significance < 0.5 and 0 < self.leak_significance < 0.5,
            "significance and leak_significance must be above 0 and below 0.5, got "
            f"{self.significance} and {self.leak_significance}",
        )


@dataclass(frozen=True, kw_only=True)
class PipelineSettings:
    """Everything that a training pipeline can be told, one section a stage."""

    validation: ValidationConfig = ValidationConfig()
    shift: ShiftConfig = ShiftConfig()
    split: SplitConfig = SplitConfig()
    train: TrainConfig = TrainConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    gate: GateConfig = GateConfig()

    __pydantic_config__ = _STRICT


def whole_numbers(value: Any) -> Any:  # noqa: ANN401  whatever JSON can hold
    """The same values, with 50.0 as 50 again.

    KFP hands mappings on as protobuf's Struct, which knows no integers:
    https://protobuf.dev/reference/protobuf/google.protobuf/#value
    """
    if isinstance(value, Mapping):
        return {key: whole_numbers(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [whole_numbers(one) for one in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def from_mapping(kind: type[Settings], values: Mapping[str, Any], where: str) -> Settings:
    """Make settings of ``kind`` out of plain values.

    Raises:
        UsageError: naming ``where``, the key, the value and what was expected.
    """
    adapter = TypeAdapter(kind)
    try:
        return adapter.validate_python(dict(values))
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from error
    except ValidationError as error:
        problems = "; ".join(_said(problem, adapter) for problem in error.errors())
        raise UsageError(f"{where}: {problems}") from error


def _said(problem: Mapping[str, Any], adapter: TypeAdapter[Any]) -> str:
    """One problem in words; a key that is nearly right is told the right one."""
    key = ".".join(map(str, problem["loc"])) or "value"
    if problem["type"] != "unexpected_keyword_argument":
        return f"{key}: {problem['msg']}, got {problem['input']!r}"
    schema = adapter.json_schema()
    known = [
        name
        for part in (schema, *schema.get("$defs", {}).values())
        for name in part.get("properties", ())
    ]
    near = get_close_matches(str(problem["loc"][-1]), known, n=1)
    meant = f", did you mean {near[0]}" if near else ""
    return f"{key}: there is no such key{meant}, got {problem['input']!r}"


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a file of settings: one YAML mapping.

    Raises:
        UsageError: when the file is absent, is not YAML, or holds anything but a mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not YAML: {error}") from error
    return parse_yaml(text, str(path))


def parse_yaml(text: str, where: str) -> dict[str, Any]:
    """Read a text of settings: one YAML mapping.

    Raises:
        UsageError: naming ``where``, when it is not YAML or holds anything but a mapping.
    """
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UsageError(f"{where} is not YAML: {error}") from error
    if not isinstance(values, dict):
        raise UsageError(f"{where} must hold a mapping of settings, got {type(values).__name__}")
    return values


def store_from_environment(environment: Mapping[str, str] = os.environ) -> StoreConfig:
    """The store that ``WEATHERVANE_STORE_…`` names.

    Raises:
        UsageError: naming the variable that is missing.
    """
    missing = [
        name
        for name in (
            "WEATHERVANE_STORE_ENDPOINT",
            "WEATHERVANE_STORE_ACCESS_KEY",
            "WEATHERVANE_STORE_SECRET_KEY",
        )
        if not environment.get(name)
    ]
    _require(not missing, f"set {', '.join(missing)} to reach the object store")
    return StoreConfig(
        endpoint=environment["WEATHERVANE_STORE_ENDPOINT"],
        access_key=environment["WEATHERVANE_STORE_ACCESS_KEY"],
        secret_key=environment["WEATHERVANE_STORE_SECRET_KEY"],
        bucket=environment.get("WEATHERVANE_STORE_BUCKET", "weathervane"),
        region=environment.get("WEATHERVANE_STORE_REGION", "us-east-1"),
    )


def variable(name: str, whose: str, environment: Mapping[str, str] | None = None) -> str:
    """The value of a variable that a setting names; None as environment: this process's.

    Raises:
        UsageError: naming the variable and ``whose`` it is, when it is not set.
    """
    value = (os.environ if environment is None else environment).get(name, "")
    _require(bool(value), f"set {name}: {whose} needs it")
    return value


def tracking_uri(environment: Mapping[str, str] = os.environ) -> str:
    """MLflow's address.

    Raises:
        UsageError: when ``MLFLOW_TRACKING_URI`` is not set.
    """
    uri = environment.get("MLFLOW_TRACKING_URI", "")
    _require(bool(uri), "set MLFLOW_TRACKING_URI to reach MLflow")
    return uri


def tracking_run(environment: Mapping[str, str] = os.environ) -> str | None:
    """The run that the platform made in MLflow for the pipeline, or None: ``MLFLOW_RUN_ID``."""
    return environment.get("MLFLOW_RUN_ID") or None


def replicas(environment: Mapping[str, str] = os.environ) -> int:
    """How many predictors a new revision gets on one machine: ``WEATHERVANE_REPLICAS``, or 1.

    Raises:
        UsageError: when it is no number from 1 on.
    """
    asked = environment.get("WEATHERVANE_REPLICAS", "1")
    _require(
        asked.isdecimal() and int(asked) > 0,
        f"WEATHERVANE_REPLICAS must be a number from 1 on, got {asked!r}",
    )
    return int(asked)


def cache_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Where trainings keep what need not be done twice: ``WEATHERVANE_CACHE``, or in the state."""
    named = environment.get("WEATHERVANE_CACHE")
    return Path(named).absolute() if named else state_folder(environment) / "cache"


def state_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Where one machine keeps its platform: ``WEATHERVANE_STATE``, or ``.weathervane`` here."""
    return Path(environment.get("WEATHERVANE_STATE", ".weathervane")).absolute()
