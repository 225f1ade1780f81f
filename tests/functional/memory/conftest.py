"""The platform's fixtures; this folder's own modules are imported by name."""

import pathlib
import sys

from support.platform import loads, platform

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
__all__ = ["loads", "platform"]
