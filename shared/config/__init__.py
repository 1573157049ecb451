"""Package data: the models served, and where labels go.

Files of your own may take their places: `MILLRACE_<STREAM>__EMBEDDING__MODELS_FILE` and
`MILLRACE_<STREAM>__DECISION__ROUTING`.
"""
