"""Ask for packages that only some functions need, and name the extra that brings a missing one."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

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
            f"run: {_install_command(package)}"
        ) from None


def _install_command(package: str) -> str:
    """Return the command of pip that installs a package and leaves the torch that is installed in place."""
    command = f'pip install "hpfunc[{_EXTRAS[package]}]"'
    if package == "torch":
        return command
    try:
        # Each torchvision needs one version of torch: without the version, pip would replace torch by the newest.
        return f'{command} "torch=={version("torch")}"'
    except PackageNotFoundError:
        return command
