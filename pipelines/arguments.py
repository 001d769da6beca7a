"""Arguments of a pipeline as people type them: ``name=value`` words in, typed values out.

What a compiled definition does not take is refused here, before anything reaches a cluster; so is
what its first step would refuse without looking at a picture.
"""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from weathervane import config
from weathervane.errors import UsageError

# The types of a compiled definition: ParameterType in pipeline_spec.proto.
_KINDS: Mapping[str, tuple[tuple[type, ...], str]] = {
    "STRING": ((str,), "a text"),
    "NUMBER_INTEGER": ((int,), "a whole number"),
    "NUMBER_DOUBLE": ((int, float), "a number"),
    "BOOLEAN": ((bool,), "true or false"),
    "LIST": ((list,), "a list such as [one, two]"),
    "STRUCT": ((dict,), "a mapping such as {key: value}, or @FILE of one"),
}


def read_arguments(words: Sequence[str], definition: Mapping[str, Any]) -> dict[str, Any]:
    """Values by name, as a pipeline takes them.

    Args:
        words: ``name=value`` each; everything but a text is YAML, ``@FILE`` reads it from a file.
        definition: the compiled pipeline.

    Raises:
        UsageError: naming the word that is none, unknown, given twice, of another type or missing.
    """
    known = definition["root"].get("inputDefinitions", {}).get("parameters", {})
    values: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise UsageError(f"an argument is written name=value, got {word!r}")
        if name not in known:
            near = get_close_matches(name, known, n=1)
            meant = f"did you mean {near[0]}? " if near else ""
            raise UsageError(
                f"the pipeline has no argument {name}; {meant}it has {', '.join(sorted(known))}"
            )
        if name in values:
            raise UsageError(f"the argument {name} is given twice")
        values[name] = _read(name, value, known[name]["parameterType"])
    missing = [
        name for name, one in known.items() if name not in values and not one.get("isOptional")
    ]
    if missing:
        raise UsageError(f"the pipeline needs {', '.join(f'{name}=…' for name in missing)}")
    return values


def check_training(values: Mapping[str, Any]) -> None:
    """Refuse what the training pipeline would.

    Raises:
        UsageError: naming the value.
    """
    from pipelines.run import checked_architectures, checked_name, checked_size

    if not values["data"].startswith("s3://"):
        raise UsageError(
            f"a cluster reads pictures from the store: data=s3://BUCKET/PREFIX, got "
            f"{values['data']!r}"
        )
    config.from_mapping(config.PipelineSettings, values.get("settings", {}), "settings")
    if "architectures" in values:
        checked_architectures(values["architectures"])
    if "shards" in values:
        _check_shards(values["shards"])
    if "image_size" in values:
        checked_size(values["image_size"])
    if "model" in values:
        checked_name(values["model"])


def _check_shards(shards: Sequence[str]) -> None:
    parts = [f"{number}/{len(shards)}" for number in range(1, len(shards) + 1)]
    if not shards or sorted(map(str, shards)) != sorted(parts):
        raise UsageError(f"shards are all parts of a whole, such as [1/2, 2/2], got {shards}")


def check_release(values: Mapping[str, Any]) -> None:
    """Refuse what the release pipeline would.

    Raises:
        UsageError: naming the value.
    """
    from weathervane.rollout.plan import Plan

    if not values.get("namespace"):
        raise UsageError("say where the service is: namespace=NAMESPACE")
    config.from_mapping(Plan, values.get("plan", {}), "plan")


def _read(name: str, text: str, kind: str) -> Any:  # noqa: ANN401  whatever YAML can hold
    types, words = _KINDS[kind]
    if kind == "STRING":
        return text
    if text.startswith("@"):
        value: Any = config.read_yaml(Path(text[1:]))
    else:
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise UsageError(f"{name} must be {words}, got {text!r}") from error
    # A bool is an int to Python.
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        raise UsageError(f"{name} must be {words}, got {text!r}")
    return value
