"""The operations that a picture classifier may use; any other is refused before a model is loaded.

All of them compute: none reads or writes a file, runs Python, opens a connection, prints, or keeps
state between requests. What a new architecture needs besides is added here, after a look at what
the operation can do.
"""


def _names(*groups: str) -> frozenset[str]:
    return frozenset(" ".join(groups).split())


TENSORFLOW = _names(
    # What a graph is made of: inputs, constants, variables, calls of functions in the same file.
    """
    Placeholder Const NoOp Identity IdentityN StopGradient PreventGradient EnsureShape
    VarHandleOp VarIsInitializedOp ReadVariableOp DisableCopyOnRead
    PartitionedCall StatefulPartitionedCall If StatelessIf While StatelessWhile
    """,
    # Arithmetic, one element at a time.
    """
    Abs Acos Add AddN AddV2 Asin Atan Ceil Cos Div DivNoNan Erf Exp Expm1 Floor FloorDiv FloorMod
    Inv Log Log1p Maximum Minimum Mod Mul MulNoNan Neg Pow RealDiv Reciprocal Rint Round Rsqrt Sign
    Sin Sqrt Square SquaredDifference Sub Tan TruncateDiv Xdivy Xlogy
    Equal NotEqual Greater GreaterEqual Less LessEqual
    LogicalAnd LogicalNot LogicalOr IsFinite IsInf IsNan ClipByValue Cast
    Elu Gelu LeakyRelu Relu Relu6 Selu Sigmoid Softplus Softsign Tanh
    """,
    # Layers.
    """
    AvgPool BatchMatMul BatchMatMulV2 BatchMatMulV3 BiasAdd BiasAddV1 Conv2D DepthwiseConv2dNative
    Dilation2D Einsum FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3 L2Loss LogSoftmax LRN MatMul
    MaxPool MaxPoolV2 Softmax
    """,
    # Over axes.
    "All Any ArgMax ArgMin Cumsum Max Mean Min Prod Sum TopKV2",
    # Shapes.
    """
    BatchToSpaceND BroadcastArgs BroadcastTo Concat ConcatV2 DepthToSpace ExpandDims Fill Gather
    GatherNd GatherV2 MirrorPad OneHot OnesLike Pack Pad PadV2 Range Rank Reshape ReverseV2 Select
    SelectV2 Shape ShapeN Size Slice SpaceToBatchND SpaceToDepth Split SplitV Squeeze StridedSlice
    Tile Transpose Unpack Where ZerosLike
    ResizeArea ResizeBicubic ResizeBilinear ResizeNearestNeighbor CropAndResize
    """,
    # Texts, with which the functions that save make the names of files.
    "StaticRegexFullMatch StringJoin",
)

# Variables get their first values in the graph around the functions.
TENSORFLOW_INITIALIZE = frozenset({"AssignVariableOp"})
# Files, and the variables' later values, for the functions that save and restore and no others.
TENSORFLOW_SAVE = frozenset({"SaveV2", "MergeV2Checkpoints", "ShardedFilename"})
TENSORFLOW_RESTORE = frozenset({"RestoreV2", "AssignVariableOp"})

# By their names in LiteRT's schema. No control flow: LiteRT runs it out of other subgraphs, which
# no classifier of pictures needs.
LITERT = _names(
    # Arithmetic, one element at a time.
    """
    ABS ADD ADD_N CAST CEIL COS DIV ELU EXP FLOOR FLOOR_DIV FLOOR_MOD GELU HARD_SWISH LEAKY_RELU
    LOG LOGISTIC MAXIMUM MINIMUM MUL NEG POW PRELU RELU RELU6 RELU_0_TO_1 RELU_N1_TO_1 ROUND RSQRT
    SIGN SIN SQRT SQUARE SQUARED_DIFFERENCE SUB TANH
    EQUAL NOT_EQUAL GREATER GREATER_EQUAL LESS LESS_EQUAL
    LOGICAL_AND LOGICAL_NOT LOGICAL_OR DEQUANTIZE QUANTIZE
    """,
    # Layers.
    """
    AVERAGE_POOL_2D BATCH_MATMUL CONV_2D DEPTHWISE_CONV_2D FULLY_CONNECTED L2_NORMALIZATION
    L2_POOL_2D LOCAL_RESPONSE_NORMALIZATION LOG_SOFTMAX MAX_POOL_2D SOFTMAX TRANSPOSE_CONV
    """,
    # Over axes.
    """
    ARG_MAX ARG_MIN CUMSUM MEAN REDUCE_ALL REDUCE_ANY REDUCE_MAX REDUCE_MIN REDUCE_PROD SUM TOPK_V2
    """,
    # Shapes.
    """
    BATCH_TO_SPACE_ND BROADCAST_ARGS BROADCAST_TO CONCATENATION DEPTH_TO_SPACE EXPAND_DIMS FILL
    GATHER GATHER_ND MIRROR_PAD ONE_HOT PACK PAD PADV2 RANGE RANK RESHAPE RESIZE_BILINEAR
    RESIZE_NEAREST_NEIGHBOR REVERSE_V2 SELECT SELECT_V2 SHAPE SLICE SPACE_TO_BATCH_ND
    SPACE_TO_DEPTH SPLIT SPLIT_V SQUEEZE STRIDED_SLICE TILE TRANSPOSE UNPACK WHERE ZEROS_LIKE
    """,
)
