"""Networks that compute in 8-bit integers, made by NNCF: networks and arrays in, networks out.

Knows nothing of videos: what a network is fed for a clip is a tuple of arrays, one an input.
"""

from __future__ import annotations

from actionzoo.quantisation.feeds import Feeds as Feeds
from actionzoo.quantisation.library import import_nncf as import_nncf
from actionzoo.quantisation.library import nncf_at_work as nncf_at_work
from actionzoo.quantisation.plain import quantise_onnx as quantise_onnx
from actionzoo.quantisation.plain import quantise_openvino as quantise_openvino
from actionzoo.quantisation.within import Judge as Judge
from actionzoo.quantisation.within import Quantised as Quantised
from actionzoo.quantisation.within import Run as Run
from actionzoo.quantisation.within import quantise_within as quantise_within
