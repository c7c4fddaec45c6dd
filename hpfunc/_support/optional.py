"""Packages that only some functions need: one error for each that is missing, which names the extra to install."""

from __future__ import annotations

from importlib import import_module

__all__ = ["need"]

# The extra of hpfunc that brings each package.
_EXTRAS = {"torch": "torch", "torchvision": "fx"}


def need(package: str, what: str) -> None:
    """Raise ImportError unless a package can be imported.

    Parameters
    ----------
    package : str
        ``"torch"`` or ``"torchvision"``.
    what : str
        The function or option that needs it, as the error names it.
    """
    try:
        import_module(package)
    except ImportError as error:
        raise ImportError(
            f"{what} needs the package {package}, which cannot be imported ({error}); install it for your system, or "
            f'run: pip install "hpfunc[{_EXTRAS[package]}]"'
        ) from None
