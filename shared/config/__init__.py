"""Package data: the models served, and where labels go.

Files of your own may take their places (`MILLRACE_EMBEDDING__MODELS_FILE`, `MILLRACE_DECISION__ROUTING`).
"""
