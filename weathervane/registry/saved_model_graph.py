"""What a SavedModel would do, read before anything loads it; without TensorFlow.

In: its folder. Out: nothing, or a `PackageError` that names what may not be in it. A model is a
program, and a digest only tells that it is the one that was packaged: every operation must be
among those of `weathervane.registry.operations`.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

from weathervane.errors import PackageError
from weathervane.registry.operations import (
    TENSORFLOW,
    TENSORFLOW_INITIALIZE,
    TENSORFLOW_RESTORE,
    TENSORFLOW_SAVE,
)

# What TensorFlow writes for a model of ours. In `saved_model.cpb` and `saved_model.pbtxt` a loader
# may find another graph than the one that is checked, and `keras_metadata.pb` can hold Python.
_FILES = re.compile(
    r"saved_model\.pb|fingerprint\.pb|variables/variables\.(index|data-\d{5}-of-\d{5})"
)
_EXTRAS = "assets.extra/"
# How TensorFlow names the functions that it traces (`__inference_…`, `cond_true_…`). Operations
# begin with a capital letter, or with one underscore and a capital letter.
# https://github.com/tensorflow/tensorflow/blob/v2.21.0/tensorflow/core/framework/op_def_util.cc
_FUNCTION = re.compile(r"__|[a-z]")
_CALLS = {"PartitionedCall", "StatefulPartitionedCall"}
# Names what TensorFlow runs when it has loaded the variables.
_MAIN_OP = "saved_model_main_op"
_SHOWN = 5

_Message = Any  # one of those that `graph_messages` describes


def check_saved_model(folder: Path) -> None:
    """Refuse a SavedModel with files or operations that a picture classifier does not need.

    Functions are looked into whether or not they are called. Only the function that saves may write
    files, only the one that restores may read them or change variables, and nothing but TensorFlow
    itself can reach either. What lies in ``assets.extra`` is not the model's.

    Raises:
        PackageError: with the operation, its node and its function.
    """
    try:
        _check_files(folder)
        content = (folder / "saved_model.pb").read_bytes()
    except OSError as error:
        raise PackageError(f"there is no SavedModel in {folder}: {error.strerror}") from error
    try:
        check_graph(content)
    except PackageError as error:
        raise PackageError(f"the SavedModel in {folder} {error}") from error


def check_graph(content: bytes) -> None:
    """As `check_saved_model`, for the content of a ``saved_model.pb``.

    Raises:
        PackageError: whose subject is the model.
    """
    from google.protobuf.message import DecodeError

    from weathervane.registry.graph_messages import SavedModel

    try:
        graphs = SavedModel.FromString(content).meta_graphs
    except DecodeError as error:
        raise PackageError(f"is cut short or damaged: {error}") from error
    if len(graphs) != 1:
        raise PackageError(f"has {len(graphs)} graphs, expected is one: export it for serving only")
    (graph,) = graphs
    if graph.assets:
        raise PackageError(
            f"brings the file {graph.assets[0].filename!r} for its graph to read: a picture "
            "classifier needs none"
        )
    _check_operations(graph)


def _check_files(folder: Path) -> None:
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not _FILES.fullmatch(name) and not name.startswith(_EXTRAS):
            raise PackageError(
                f"the SavedModel in {folder} has the file {name}, which serving never needs: "
                "export the model again, into an empty folder"
            )


@dataclass(frozen=True, kw_only=True)
class _Saver:
    """What saves, or restores: the node that TensorFlow itself runs, and the function behind it."""

    node: str
    function: str
    allowed: frozenset[str]


def _check_operations(graph: _Message) -> None:
    functions = {one.signature.name: one for one in graph.graph.library.functions}
    for name in functions:
        if not _FUNCTION.match(name):
            raise PackageError(f"has the function {name!r}, which could pass for an operation")
    savers = _savers(graph)
    of_function = {"": TENSORFLOW_INITIALIZE}
    of_function |= {saver.function: saver.allowed for saver in savers}
    unknown: dict[str, str] = {}
    for name, nodes in chain(
        [("", graph.graph.nodes)], ((name, one.nodes) for name, one in functions.items())
    ):
        allowed = TENSORFLOW | of_function.get(name, frozenset()) | functions.keys()
        for node in nodes:
            if node.op not in allowed:
                where = f"function {name!r}" if name else "its graph"
                unknown.setdefault(node.op, f"{node.op} (node {node.name!r} of {where})")
            for called in _called(node):
                if called not in functions:
                    raise PackageError(
                        f"calls {called!r} (node {node.name!r}), which is no function of its own"
                    )
    if unknown:
        raise PackageError(
            "has operations that are not known to be harmless: "
            f"{', '.join(islice(unknown.values(), _SHOWN))}{' …' * (len(unknown) > _SHOWN)}; "
            "export the model without them"
        )
    for saver in savers:
        _check_unreachable(graph, functions.values(), saver)


def _savers(graph: _Message) -> list[_Saver]:
    found = []
    for tensor, allowed in (
        (graph.saver.save, TENSORFLOW_SAVE),
        (graph.saver.restore, TENSORFLOW_RESTORE),
    ):
        node_name = _node_of(tensor)
        for node in graph.graph.nodes:
            if node.name == node_name and node.op in _CALLS:
                function = "".join(_called(node))
                found.append(_Saver(node=node_name, function=function, allowed=allowed))
    return found


def _check_unreachable(graph: _Message, functions: Iterable[_Message], saver: _Saver) -> None:
    """Whether nothing but TensorFlow's own saving and restoring gets to what may touch files."""
    nodes = list(graph.graph.nodes)
    calls = chain.from_iterable(
        (node.op, *_called(node)) for node in chain(nodes, *(one.nodes for one in functions))
    )
    tensors = [tensor.value.name for one in graph.signatures for tensor in _tensors(one.value)]
    for one in graph.collections:
        if one.key != _MAIN_OP:
            raise PackageError(
                f"has the collection {one.key!r}, a thing of TensorFlow 1: export it"
                " with TensorFlow 2"
            )
        tensors += one.value.nodes.values
    for node in nodes:
        tensors += node.inputs
    if (
        sum(called == saver.function for called in calls) > 1
        or any(one.key == saver.function for one in graph.objects.concrete_functions)
        or saver.node in map(_node_of, tensors)
    ):
        raise PackageError(
            f"can reach its function {saver.function!r}, which reads or writes files, when it "
            "answers: export the model without it"
        )


def _tensors(signature: _Message) -> Iterator[_Message]:
    yield from signature.inputs
    yield from signature.outputs


def _node_of(tensor: str) -> str:
    """The node of an input such as ``name``, ``name:1`` or ``^name``."""
    return tensor.removeprefix("^").partition(":")[0]


def _called(node: _Message) -> Iterator[str]:
    """Every function that the attributes of a node, or of a reference, name at any depth."""
    for attribute in node.attributes:
        value = attribute.value
        references = list(value.list.functions)
        if value.HasField("function"):
            references.append(value.function)
        for reference in references:
            yield reference.name
            yield from _called(reference)
