"""Models on OpenVINO. Graphs of text models are built from the model's own files, so neither torch nor an export is needed.

When it is imported, OpenVINO would report that to its makers through the network and write files into the home folder, and
NNCF each quantisation; they do neither if their module for that cannot be imported.
"""

import sys

TELEMETRY = "openvino_telemetry"

sys.modules.setdefault(TELEMETRY, None)  # type: ignore[arg-type]  # None marks a module that is not to be imported
