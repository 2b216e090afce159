"""Small networks in ONNX files, made as a test needs them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

RNG = np.random.default_rng(0)
WEIGHTS = {c: RNG.normal(size=(6, c, 3, 3)).astype(np.float32) for c in (1, 3)}
KINDS = {"float": TensorProto.FLOAT, "double": TensorProto.DOUBLE, "uint8": TensorProto.UINT8}
KINDS |= {"float16": TensorProto.FLOAT16, "int64": TensorProto.INT64}


def model(
    path: Path,
    shape: tuple[Any, ...],
    *,
    layout: str = "nchw",
    channels: int = 3,
    ends: tuple[str, ...] = ("vector",),
    kind: str = "float",
) -> Path:
    """A convolution, a ReLU and what `ends` name: "vector", "map", "tokens", "numbers"."""
    nodes, now = [], "images"
    if kind != "float":
        nodes.append(helper.make_node("Cast", [now], ["cast"], to=TensorProto.FLOAT))
        now = "cast"
    if layout == "nhwc":
        nodes.append(helper.make_node("Transpose", [now], ["turned"], perm=[0, 3, 1, 2]))
        now = "turned"
    nodes += [
        helper.make_node("Conv", [now, "w"], ["raw"]),
        helper.make_node("Relu", ["raw"], ["relu"]),
    ]
    outputs = []
    for end in ends:
        rank = {"vector": 2, "map": 4, "pixel": 4, "tokens": 3, "numbers": 2, "sum": 0}[end]
        if end == "vector":
            nodes += [
                helper.make_node("GlobalAveragePool", ["relu"], ["pooled"]),
                helper.make_node("Flatten", ["pooled"], [end]),
            ]
        elif end == "map":
            perm = [0, 2, 3, 1] if layout == "nhwc" else [0, 1, 2, 3]
            nodes.append(helper.make_node("Transpose", ["relu"], [end], perm=perm))
        elif end == "pixel":
            nodes.append(helper.make_node("GlobalAveragePool", ["relu"], [end]))
        elif end == "tokens":
            nodes += [
                helper.make_node("Reshape", ["relu", "flat"], ["flattened"]),
                helper.make_node("Transpose", ["flattened"], [end], perm=[0, 2, 1]),
            ]
        elif end == "sum":
            nodes.append(helper.make_node("ReduceSum", ["relu"], [end], keepdims=0))
        else:
            nodes.append(helper.make_node("ArgMax", ["relu"], ["most"], axis=1))
            nodes.append(helper.make_node("Flatten", ["most"], [end]))
        number = TensorProto.INT64 if end == "numbers" else TensorProto.FLOAT
        outputs.append(helper.make_tensor_value_info(end, number, [None] * rank))
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("images", KINDS[kind], list(shape))],
        outputs,
        [
            numpy_helper.from_array(WEIGHTS[channels], "w"),
            numpy_helper.from_array(np.array([0, 6, -1]), "flat"),
        ],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(made)
    onnx.save(made, path)
    return path
