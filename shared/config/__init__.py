"""Package data: the models served, and the routing of labels to queues.

Two settings name your own files to use instead: `MILLRACE_<STREAM>__EMBEDDING__MODELS_FILE` and
`MILLRACE_<STREAM>__DECISION__ROUTING`.
"""
