"""Text models on OpenVINO: the graph is built from the model's own files, so neither torch nor an export is needed."""
