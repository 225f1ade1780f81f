from support.platform import platform

__all__ = ["platform"]
