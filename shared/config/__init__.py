"""Package data: the models served. A file of your own may take its place (`MILLRACE_EMBEDDING__MODELS_FILE`)."""
