"""What a LiteRT file would do, read before LiteRT loads it.

In: the file. Out: nothing, or a `PackageError` that names what may not be in it: every operation
must be among those of `weathervane.registry.operations`.
"""

from pathlib import Path

from weathervane.errors import PackageError
from weathervane.registry.operations import LITERT

_IDENTIFIER = b"TFL3"


def check_litert(model: Path) -> None:
    """Refuse a LiteRT file with custom, TensorFlow's ("flex") or other operations not known here.

    Raises:
        PackageError: with the operation.
    """
    from ai_edge_litert import schema_py_generated as schema

    names = {number: name for name, number in vars(schema.BuiltinOperator).items()}
    content = model.read_bytes()
    if content[4:8] != _IDENTIFIER:
        raise PackageError(f"{model} is no LiteRT model")
    try:
        read = schema.Model.GetRootAs(content, 0)
        codes = [read.OperatorCodes(number) for number in range(read.OperatorCodesLength())]
        # Numbers above 127 came later, in a field of their own.
        # https://github.com/tensorflow/tensorflow/blob/v2.21.0/tensorflow/compiler/mlir/lite/schema/schema_utils.cc
        operations = [
            (max(code.BuiltinCode(), code.DeprecatedBuiltinCode()), code.CustomCode())
            for code in codes
        ]
        elsewhere = read.ExternalBufferGroupsLength() + read.ExternalBuffersLength()
    # Offsets that lead out of the file, or into the middle of something.
    except Exception as error:
        raise PackageError(f"{model} is cut short or damaged: {error}") from error
    if elsewhere:
        raise PackageError(f"{model} reads weights from other files: convert it into one")
    for number, custom in operations:
        name = names.get(number, f"number {number}")
        if name not in LITERT or custom is not None:
            what = name if custom is None else f"{name} {custom.decode(errors='replace')!r}"
            raise PackageError(
                f"{model} has the operation {what}, which is not known to be harmless: convert "
                "the model to LiteRT's own operations"
            )
