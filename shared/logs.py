"""Structured logs: one JSON object per line on standard error, with topic, partition and offset, without payloads."""

import logging
import sys
from contextlib import AbstractContextManager
from typing import Any

import structlog

Logger = structlog.stdlib.BoundLogger


def configure(level: str, json_lines: bool) -> None:
    """Configure structlog for this process.

    Args:
        level: The lowest level that is written: debug, info, warning or error.
        json_lines: True for one JSON object per line; False for human-readable text, coloured only on a terminal.
    """
    renderer: Any = (
        structlog.processors.JSONRenderer() if json_lines else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
    )


def bound(**fields: object) -> AbstractContextManager[None]:
    """Return a block in which every log line of the calling thread has these fields; the line's own fields win."""
    return structlog.contextvars.bound_contextvars(**fields)


def get_logger(component: str) -> Logger:
    """Return a logger that names its component on every line."""
    logger: Logger = structlog.get_logger(component=component)
    return logger
