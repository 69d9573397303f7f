"""The conformance suite: what every module does, checked with no code in the module."""

from shared.testing.conformance.subject import Subject
from shared.testing.conformance.suite import CHECKS

__all__ = ["CHECKS", "Subject"]
