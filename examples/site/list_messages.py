"""List what the package says of itself: its errors, warnings, lines of the log and labels, as a page to search."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

__all__ = ["messages_of", "messages_page"]

_HEAD = """# Messages

Everything that hpfunc can say: errors, warnings, lines of the log `hpfunc` (`logging.getLogger("hpfunc")`), labels of
pictures and results, and the parts of which longer messages are made. Each … stands for a name, a value or another
part. Search this page for the words of a message that you have seen; the heading tells which file says it.
"""


def messages_page(package: Path) -> str:
    """Write the page, in Markdown, of all messages of a package: a section for each file, a line for each message."""
    sections = [_HEAD]
    for path in sorted(package.rglob("*.py")):
        lines = [f"- *{kind}*: {_as_text(text)}" for kind, text in messages_of(path.read_text(encoding="utf-8"))]
        if lines:
            name = path.relative_to(package.parent).as_posix()
            sections.append("\n".join([f"## {name}\n", *dict.fromkeys(lines)]))
    return "\n\n".join(sections) + "\n"


def messages_of(source: str) -> Iterator[tuple[str, str]]:
    """Yield the kind and the text of each string of two words or more in a module, docstrings left out.

    Placeholders, those of f-strings and those of the log, become ``…``.
    """
    yield from _messages(ast.parse(source), "label or part")


def _messages(node: ast.AST, kind: str) -> Iterator[tuple[str, str]]:
    kind = _kind(node) or kind
    if isinstance(node, ast.JoinedStr):
        parts = [part.value if isinstance(part, ast.Constant) else "…" for part in node.values]
        text = "".join(map(str, parts))
    else:
        text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
    if " " in text.strip():
        yield kind, " ".join(text.replace("%s", "…").replace("%r", "…").replace("%d", "…").split())
    if isinstance(node, ast.JoinedStr):
        # The text of an f-string was taken above, so only its expressions are searched further.
        inner: list[ast.AST] = [part.value for part in node.values if isinstance(part, ast.FormattedValue)]
    else:
        inner = [child for child in ast.iter_child_nodes(node) if not _is_docstring(child)]
    for child in inner:
        yield from _messages(child, kind)


def _kind(node: ast.AST) -> str | None:
    """Name the error that a call makes, a warning, or the level of a line of the log; None for other nodes."""
    if not isinstance(node, ast.Call):
        return None
    name = ast.unparse(node.func)
    if name.endswith("Error"):
        return name
    if name == "warn":
        return "UserWarning"
    level = name.removeprefix("_log.")
    return f"log, {level.upper()}" if level in ("debug", "info", "warning", "error") else None


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _as_text(message: str) -> str:
    """Quote a message so that Markdown changes nothing in it."""
    fence = "``" if "`" in message else "`"
    return f"{fence} {message} {fence}" if "`" in message else f"{fence}{message}{fence}"
