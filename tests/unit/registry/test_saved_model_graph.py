"""What a SavedModel would do is read from its file: harmless operations pass, all others are named.

The graphs are made here, as TensorFlow would write them; those that TensorFlow does write are in
``tests/training/test_hostile_models.py``.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from weathervane.errors import PackageError
from weathervane.registry.graph_messages import SavedModel
from weathervane.registry.saved_model_graph import check_graph, check_saved_model

SERVE, SAVE, RESTORE = "__inference_serve_1", "__inference__traced_save_2", "__inference_restore_3"


def call(node: Any, function: str) -> None:
    node.op = "StatefulPartitionedCall"
    node.attributes.add(key="f").value.function.name = function


def function(graph: Any, name: str, *operations: str) -> Any:
    made = graph.graph.library.functions.add()
    made.signature.name = name
    for operation in operations:
        made.nodes.add(name=operation.lower(), op=operation)
    return made


@pytest.fixture
def graph() -> Any:
    """A model that convolves, with what saves and restores its variables."""
    made = SavedModel().meta_graphs.add()
    made.graph.nodes.add(name="image", op="Placeholder")
    made.graph.nodes.add(name="Variable/Assign", op="AssignVariableOp")
    made.graph.nodes.add(name="saver_filename", op="Placeholder")
    call(made.graph.nodes.add(name="answer", inputs=["image"]), SERVE)
    call(made.graph.nodes.add(name="saving", inputs=["saver_filename"]), SAVE)
    call(made.graph.nodes.add(name="restoring", inputs=["saver_filename"]), RESTORE)
    function(made, SERVE, "ReadVariableOp", "Conv2D", "Softmax", "NoOp")
    function(made, SAVE, "StringJoin", "ShardedFilename", "SaveV2", "MergeV2Checkpoints")
    function(made, RESTORE, "RestoreV2", "AssignVariableOp")
    made.saver.filename, made.saver.save = "saver_filename:0", "saving:0"
    made.saver.restore = "restoring"
    signature = made.signatures.add(key="serving_default").value
    signature.inputs.add(key="image").value.name = "image:0"
    signature.outputs.add(key="probabilities").value.name = "answer:0"
    made.collections.add(key="saved_model_main_op").value.nodes.values.append("init")
    made.objects.concrete_functions.add(key=SERVE)
    return made


def written(*graphs: Any) -> bytes:
    content: bytes = SavedModel(meta_graphs=graphs).SerializeToString()
    return content


def test_what_a_classifier_needs_passes(graph: Any):
    check_graph(written(graph))


HOSTILE = [
    *("ReadFile", "WriteFile", "WholeFileReaderV2", "MatchingFiles", "TextLineDataset"),
    *("PyFunc", "PyFuncStateless", "EagerPyFunc", "XlaCallModule", "PrintV2", "DebugIdentityV3"),
    *("SaveV2", "RestoreV2", "MergeV2Checkpoints", "AssignVariableOp", "LoadDataset", "RemoteCall"),
    *("InitializeTableFromTextFileV2", "ASystemOfTomorrow", "readfile", "", "_Arg"),
]


@pytest.mark.parametrize("operation", HOSTILE)
def test_an_operation_that_is_not_known_is_named(graph: Any, operation: str):
    graph.graph.library.functions[0].nodes.add(name="bad", op=operation)

    with pytest.raises(PackageError, match=rf"harmless: {operation} \(node 'bad' of function"):
        check_graph(written(graph))


@pytest.mark.parametrize("operation", sorted({*HOSTILE} - {"AssignVariableOp"}))
def test_it_may_not_hide_in_the_graph_around_the_functions(graph: Any, operation: str):
    graph.graph.nodes.add(name="bad", op=operation)

    with pytest.raises(PackageError, match=rf"harmless: {operation} \(node 'bad' of its graph"):
        check_graph(written(graph))


def test_all_of_them_are_named(graph: Any):
    for operation in HOSTILE[:3]:
        graph.graph.nodes.add(name="bad", op=operation)

    with pytest.raises(PackageError, match=r"ReadFile .*, WriteFile .*, WholeFileReaderV2 .*; ex"):
        check_graph(written(graph))


def in_a_function_that_nobody_calls(graph: Any) -> None:
    function(graph, "__inference_unused_9", "ReadFile")


def in_a_function_of_a_function(graph: Any) -> None:
    call(graph.graph.library.functions[0].nodes.add(name="inner"), "__inner")
    function(graph, "__inner", "ReadFile")


def in_the_function_that_saves(graph: Any) -> None:
    graph.graph.library.functions[1].nodes.add(name="bad", op="ReadFile")


def behind_the_name_of_a_harmless_function(graph: Any) -> None:
    # Functions are found before operations: whoever calls ReadFile would get this one, or not.
    function(graph, "ReadFile", "NoOp")
    graph.graph.nodes.add(name="bad", op="ReadFile")


def as_the_function_of_a_call(graph: Any) -> None:
    call(graph.graph.nodes.add(name="bad"), "ReadFile")


def as_the_branch_of_a_branch(graph: Any) -> None:
    branch = graph.graph.nodes.add(name="bad", op="If").attributes.add(key="then_branch")
    branch.value.function.name = SERVE
    nested = branch.value.function.attributes.add(key="then_branch").value
    nested.list.functions.add(name="ReadFile")


def restoring_where_it_should_save(graph: Any) -> None:
    graph.graph.library.functions[1].nodes.add(name="bad", op="RestoreV2")


def saving_where_it_should_restore(graph: Any) -> None:
    # TensorFlow Serving restores when it loads: this would write then.
    graph.graph.library.functions[2].nodes.add(name="bad", op="SaveV2")


def by_calling_what_saves(graph: Any) -> None:
    call(graph.graph.library.functions[0].nodes.add(name="bad"), SAVE)


def by_calling_what_restores_as_an_operation(graph: Any) -> None:
    graph.graph.library.functions[0].nodes.add(name="bad", op=RESTORE)


def by_answering_with_what_saves(graph: Any) -> None:
    graph.signatures[0].value.outputs.add(key="saved").value.name = "saving:0"


def by_answering_with_what_waits_for_it(graph: Any) -> None:
    graph.graph.nodes.add(name="after", op="NoOp", inputs=["image", "^saving"])


def by_saving_when_it_is_loaded(graph: Any) -> None:
    graph.collections[0].value.nodes.values.append("saving")


def by_offering_it_as_a_function(graph: Any) -> None:
    graph.objects.concrete_functions.add(key=SAVE)


def by_a_collection_of_tensorflow_1(graph: Any) -> None:
    graph.collections.add(key="saved_model_assets")


def by_a_file_of_its_own(graph: Any) -> None:
    graph.assets.add(filename="../../etc/passwd")


@pytest.mark.parametrize(
    ("hide", "told"),
    [
        (in_a_function_that_nobody_calls, "harmless: ReadFile"),
        (in_a_function_of_a_function, "harmless: ReadFile .* of function '__inner'"),
        (in_the_function_that_saves, "harmless: ReadFile"),
        (behind_the_name_of_a_harmless_function, "could pass for an operation"),
        (as_the_function_of_a_call, "calls 'ReadFile'"),
        (as_the_branch_of_a_branch, "calls 'ReadFile'"),
        (restoring_where_it_should_save, "harmless: RestoreV2"),
        (saving_where_it_should_restore, "harmless: SaveV2"),
        (by_calling_what_saves, f"reach its function '{SAVE}'"),
        (by_calling_what_restores_as_an_operation, f"reach its function '{RESTORE}'"),
        (by_answering_with_what_saves, "reach its function"),
        (by_answering_with_what_waits_for_it, "reach its function"),
        (by_saving_when_it_is_loaded, "reach its function"),
        (by_offering_it_as_a_function, "reach its function"),
        (by_a_collection_of_tensorflow_1, "collection 'saved_model_assets'"),
        (by_a_file_of_its_own, r"brings the file '\.\./\.\./etc/passwd'"),
    ],
)
def test_there_is_no_place_to_hide(graph: Any, hide: Callable[[Any], None], told: str):
    hide(graph)

    with pytest.raises(PackageError, match=told):
        check_graph(written(graph))


def test_a_second_graph_is_not_loaded_unseen(graph: Any):
    with pytest.raises(PackageError, match="has 2 graphs"):
        check_graph(written(graph, graph))


@pytest.mark.parametrize(
    "content", [b"", b"graph", b"\x12\xff\xff\xff\xff\x7f", b"\x0b" * 10_000], ids=repr
)
def test_what_is_no_saved_model_is_refused(content: bytes):
    with pytest.raises(PackageError, match=r"has 0 graphs|cut short or damaged"):
        check_graph(content)


def test_nesting_without_end_is_refused():
    content = b""
    # An attribute's value is a function with an attribute, whose value is a function …
    for number in (2, 10, 2) * 200 + (5, 1, 2, 2):
        content = _field(number, content)

    with pytest.raises(PackageError, match="cut short or damaged"):
        check_graph(content)


def _field(number: int, content: bytes) -> bytes:
    size, length = bytearray(), len(content)
    while length > 0x7F:
        size.append(0x80 | length & 0x7F)
        length >>= 7
    return bytes([number << 3 | 2, *size, length]) + content


@pytest.mark.parametrize(
    "name",
    [
        *("saved_model.cpb", "saved_model.pbtxt", "keras_metadata.pb", "assets/words.txt"),
        *("variables/variables.data-00000-of-00001.so", "variables/deeper/variables.index"),
        *("plugin.so", "model.keras", "__init__.py"),
    ],
)
def test_files_that_serving_never_needs_are_named(graph: Any, tmp_path: Path, name: str):
    (tmp_path / "saved_model.pb").write_bytes(written(graph))
    check_saved_model(tmp_path)
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).touch()

    with pytest.raises(PackageError, match=f"the file {name}"):
        check_saved_model(tmp_path)


def test_a_folder_without_one_says_so(tmp_path: Path):
    with pytest.raises(PackageError, match="there is no SavedModel in"):
        check_saved_model(tmp_path / "nothing")
