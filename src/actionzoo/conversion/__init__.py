"""From torch modules to files that predict by themselves: each file carries the whole spec."""

from __future__ import annotations

from actionzoo.conversion.onnx import export_onnx as export_onnx
from actionzoo.conversion.openvino import export_openvino as export_openvino
