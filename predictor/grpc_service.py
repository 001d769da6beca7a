"""The protocol's gRPC service: a servicer to handlers that say when a message cannot be read."""

# The messages are generated, without types.
# ruff: noqa: ANN401

from typing import Any

import grpc
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb

_SERVICE = pb.DESCRIPTOR.services_by_name["GRPCInferenceService"]


def handlers(servicer: Any) -> grpc.GenericRpcHandler:
    """What the SDK's generated code registers, but for messages that are none.

    Those would be an error of the server, and are one of the client: INVALID_ARGUMENT.
    """
    return grpc.method_handlers_generic_handler(
        _SERVICE.full_name,
        {method.name: _handler(servicer, method) for method in _SERVICE.methods},
    )


def _handler(servicer: Any, method: Any) -> grpc.RpcMethodHandler:
    answer = getattr(servicer, method.name)
    parse = GetMessageClass(method.input_type).FromString

    async def parsed(raw: bytes, context: Any) -> Any:
        try:
            request = parse(raw)
        except DecodeError:
            await context.abort(
                grpc.StatusCode.INVALID_ARGUMENT, f"this is no {method.input_type.name}"
            )
        return await answer(request, context)

    return grpc.unary_unary_rpc_method_handler(
        parsed, response_serializer=GetMessageClass(method.output_type).SerializeToString
    )
