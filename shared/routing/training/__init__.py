"""What learns a routing head from labelled texts. Nothing that decides at run time imports it."""
