"""What runs: one package per stream, all of the same anatomy: prepare, decide, stages."""
