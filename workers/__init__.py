"""The workers: one package per stream, each with the modules prepare, decide and stages."""
