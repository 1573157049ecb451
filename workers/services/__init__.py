"""Services that run beside the workers."""
