"""What a LiteRT file would do is read from it: arithmetic passes, all else is named."""

from collections.abc import Callable
from pathlib import Path

import flatbuffers
import pytest
from ai_edge_litert import schema_py_generated as schema

from weathervane.errors import PackageError
from weathervane.registry.litert_graph import check_litert

BUILTIN = schema.BuiltinOperator


def code(number: int, custom: str | None = None) -> schema.OperatorCodeT:
    made = schema.OperatorCodeT()
    made.builtinCode = number
    # What readers of before 2020 look at: it ends at 127.
    made.deprecatedBuiltinCode = min(number, BUILTIN.PLACEHOLDER_FOR_GREATER_OP_CODES)
    made.customCode = custom
    return made


def model(*codes: schema.OperatorCodeT) -> schema.ModelT:
    made = schema.ModelT()
    made.version = 3
    made.operatorCodes = list(codes)
    return made


def write(made: schema.ModelT, file: Path) -> Path:
    builder = flatbuffers.Builder()
    builder.Finish(made.Pack(builder), b"TFL3")
    file.write_bytes(builder.Output())
    return file


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "model.tflite"


def test_arithmetic_passes(file: Path):
    check_litert(write(model(code(BUILTIN.CONV_2D), code(BUILTIN.GELU)), file))


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (code(BUILTIN.CUSTOM, "FlexReadFile"), "CUSTOM 'FlexReadFile'"),
        (code(BUILTIN.CUSTOM), "CUSTOM"),
        (code(BUILTIN.ADD, "FlexReadFile"), "ADD 'FlexReadFile'"),
        (code(BUILTIN.DELEGATE), "DELEGATE"),
        (code(BUILTIN.CALL_ONCE), "CALL_ONCE"),
        (code(BUILTIN.WHILE), "WHILE"),
        (code(BUILTIN.ASSIGN_VARIABLE), "ASSIGN_VARIABLE"),
        (code(BUILTIN.STABLEHLO_CUSTOM_CALL), "STABLEHLO_CUSTOM_CALL"),
        (code(9999), "number 9999"),
    ],
)
def test_an_operation_that_is_not_known_is_named(file: Path, bad: schema.OperatorCodeT, told: str):
    with pytest.raises(PackageError, match=f"operation {told}"):
        check_litert(write(model(code(BUILTIN.ADD), bad), file))


def test_the_greater_of_an_operations_two_numbers_counts(file: Path):
    # LiteRT takes the greater one.
    two_faced = code(BUILTIN.ADD)
    two_faced.deprecatedBuiltinCode = BUILTIN.CUSTOM

    with pytest.raises(PackageError, match="operation CUSTOM"):
        check_litert(write(model(two_faced), file))


def test_weights_in_other_files_are_refused(file: Path):
    made = model(code(BUILTIN.ADD))
    made.externalBufferGroups = [schema.ExternalBufferGroupT()]

    with pytest.raises(PackageError, match="reads weights from other files"):
        check_litert(write(made, file))


@pytest.mark.parametrize(
    "harm",
    [
        lambda content: b"",
        lambda content: b"not a model at all",
        lambda content: content[:12],
        lambda content: b"\xff\xff\xff\x7f" + content[4:],
        lambda content: content[:4] + b"TFL2" + content[8:],
    ],
)
def test_what_is_no_model_is_refused(file: Path, harm: Callable[[bytes], bytes]):
    write(model(code(BUILTIN.ADD)), file)
    file.write_bytes(harm(file.read_bytes()))

    with pytest.raises(PackageError, match=r"no LiteRT model|cut short or damaged"):
        check_litert(file)
