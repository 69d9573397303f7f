"""How every process logs: one JSON object a line on standard error, without the values of local variables."""

import contextlib
import logging
import sys
from typing import TextIO, cast

import structlog


def configure_log(level: str) -> None:
    """Log from `level` (`debug`, `info`, `warning`, `error`) upwards; libraries' own loggers from warnings upwards."""
    threshold = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", _Patient())),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=max(threshold, logging.WARNING))


class _Patient:
    """Standard error, whose disk may be full: what finds no room waits in its buffer or is lost, and whoever logs goes on."""

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            sys.stderr.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            sys.stderr.flush()
