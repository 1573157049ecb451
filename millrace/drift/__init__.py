"""The commands of the watch for drift: building references from what is stored or was sent, and reports of windows."""
