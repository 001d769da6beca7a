"""The parts of ``saved_model.pb`` in which an operation can be named, as protobuf messages.

Read without TensorFlow, whose import takes seconds and which a predictor does not have. In: the
field numbers below. Out: `SavedModel`, a message class with a descriptor pool of its own, so that
TensorFlow may be imported beside it.

The numbers are public and never change. They are those of these files of
https://github.com/tensorflow/tensorflow/tree/v2.21.0/tensorflow/core: protobuf/saved_model.proto,
protobuf/meta_graph.proto, protobuf/saver.proto, protobuf/saved_object_graph.proto and
framework/graph.proto, framework/function.proto, framework/node_def.proto,
framework/attr_value.proto, framework/op_def.proto. Map fields are read as the repeated entries that
they are on the wire, and members of a ``oneof`` as fields: what a later one would hide is seen too.
"""

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

# Message → field → (number, type); "*" before a type: repeated. Fields that are not listed are
# skipped, as protobuf skips what it does not know.
_MESSAGES = {
    "SavedModel": {"meta_graphs": (2, "*MetaGraph")},
    "MetaGraph": {
        "graph": (2, "Graph"),
        "saver": (3, "Saver"),
        "collections": (4, "*Collection"),
        "signatures": (5, "*SignatureEntry"),
        "assets": (6, "*Asset"),
        "objects": (7, "Objects"),
    },
    "Graph": {"nodes": (1, "*Node"), "library": (2, "Library")},
    "Library": {"functions": (1, "*Function")},
    "Function": {"signature": (1, "FunctionSignature"), "nodes": (3, "*Node")},
    "FunctionSignature": {"name": (1, "string")},
    "Node": {
        "name": (1, "string"),
        "op": (2, "string"),
        "inputs": (3, "*string"),
        "attributes": (5, "*AttributeEntry"),
    },
    "AttributeEntry": {"key": (1, "string"), "value": (2, "Attribute")},
    "Attribute": {"list": (1, "AttributeList"), "function": (10, "FunctionReference")},
    "AttributeList": {"functions": (9, "*FunctionReference")},
    "FunctionReference": {"name": (1, "string"), "attributes": (2, "*AttributeEntry")},
    "Saver": {
        "filename": (1, "string"),
        "save": (2, "string"),
        "restore": (3, "string"),
    },
    "Collection": {"key": (1, "string"), "value": (2, "CollectionValue")},
    "CollectionValue": {"nodes": (1, "Names")},
    "Names": {"values": (1, "*string")},
    "SignatureEntry": {"key": (1, "string"), "value": (2, "Signature")},
    "Signature": {"inputs": (1, "*TensorEntry"), "outputs": (2, "*TensorEntry")},
    "TensorEntry": {"key": (1, "string"), "value": (2, "Tensor")},
    "Tensor": {"name": (1, "string")},
    "Asset": {"filename": (2, "string")},
    "Objects": {"concrete_functions": (2, "*ConcreteFunctionEntry")},
    "ConcreteFunctionEntry": {"key": (1, "string")},
}
_PACKAGE = "weathervane.graph"


def _message_class(name: str) -> type[Any]:
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="weathervane/graph.proto", package=_PACKAGE, syntax="proto3"
    )
    for message, fields in _MESSAGES.items():
        type_ = file.message_type.add(name=message)
        for field_name, (number, kind) in fields.items():
            kind_name = kind.removeprefix("*")
            one = type_.field.add(name=field_name, number=number)
            one.label = field.LABEL_REPEATED if kind.startswith("*") else field.LABEL_OPTIONAL
            if kind_name == "string":
                one.type = field.TYPE_STRING
            else:
                one.type, one.type_name = field.TYPE_MESSAGE, f".{_PACKAGE}.{kind_name}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    described = pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")
    made: type[Any] = message_factory.GetMessageClass(described)
    return made


SavedModel = _message_class("SavedModel")
