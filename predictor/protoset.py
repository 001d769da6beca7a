"""``python -m predictor.protoset FILE``: the gRPC protocol as a descriptor set, for grpcurl."""

import sys
from pathlib import Path

from predictor.sdk import prepare_import


def protoset() -> bytes:
    """Open Inference Protocol V2 as the SDK has it: a serialized ``FileDescriptorSet``.

    Raises:
        UsageError: when the SDK is not installed.
    """
    prepare_import()
    from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
    from kserve.protocol.grpc import grpc_predict_v2_pb2

    file = FileDescriptorProto()
    grpc_predict_v2_pb2.DESCRIPTOR.CopyToProto(file)
    written: bytes = FileDescriptorSet(file=[file]).SerializeToString()
    return written


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.write_bytes(protoset())
