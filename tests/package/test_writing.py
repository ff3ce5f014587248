"""No module but `routectl.output` opens a file for writing, makes a folder or removes anything."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "routectl"
THE_ONE = PACKAGE / "output"

_METHODS = {
    "write_text", "write_bytes", "touch", "mkdir", "unlink", "rmdir", "rename", "symlink_to",
    "hardlink_to", "chmod", "save_file", "tofile", "to_csv", "to_parquet",
}  # fmt: skip
_OS = {
    "open", "fdopen", "mkdir", "makedirs", "replace", "rename", "renames", "link", "symlink",
    "remove", "unlink", "rmdir", "removedirs", "truncate", "mkfifo", "mknod", "chmod", "chown",
}  # fmt: skip
_MODULES = {"shutil", "tempfile"}
_BUILDERS = {
    "SpooledTemporaryFile",
    "NamedTemporaryFile",
    "mkstemp",
    "mkdtemp",
    "copyfile",
    "rmtree",
}
_ALLOWED = {
    # SQLite opens its file by itself; what it opens was made by `routectl.output`.
    ("store/schema.py", "sqlite3.connect"),
    # Only to read, without waiting for a FIFO.
    ("documents.py", "os.open"),
    ("documents.py", "os.fdopen"),
}


def writes(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and name of each call that may change the file system."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom | ast.Import):
            module = node.module if isinstance(node, ast.ImportFrom) else None
            names = {module} if module else {alias.name for alias in node.names}
            yield from ((node.lineno, str(name)) for name in names & _MODULES)
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        owner, _, method = name.rpartition(".")
        if (
            (method == "open" and _opens_to_write(node, owner))
            or (owner == "os" and method in _OS - {"open"})
            or (owner == "np" and method.startswith("save"))
            or method in _METHODS | _BUILDERS
            or name == "sqlite3.connect"
        ):
            yield node.lineno, name
        elif method == "replace" and owner and len(node.args) == 1 and not node.keywords:
            yield node.lineno, name  # a path's; a string's takes two


def _opens_to_write(call: ast.Call, owner: str) -> bool:
    if call.args and isinstance(call.args[0], ast.Constant) and isinstance(call.args[0].value, int):
        return False  # a descriptor that is open already
    if owner == "os":
        return ast.unparse(call.args[0]) != "os.devnull"
    if owner not in ("", "gzip", "bz2", "lzma", "io", "codecs") and len(call.args) > 2:
        return False  # no file's
    position = 1 if owner in ("", "gzip", "bz2", "lzma", "io", "codecs") else 0
    modes = [keyword.value for keyword in call.keywords if keyword.arg == "mode"]
    modes += call.args[position : position + 1]
    for mode in modes:
        if isinstance(mode, ast.Constant) and isinstance(mode.value, str):
            return any(letter in mode.value for letter in "wax+")
        if position == 1:
            return True  # one that is only known when it runs
    return False


def test_no_other_module_writes() -> None:
    found = [
        f"{path.relative_to(PACKAGE)}:{line} {name}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if THE_ONE not in path.parents
        for line, name in writes(ast.parse(path.read_text()))
        if (str(path.relative_to(PACKAGE)), name) not in _ALLOWED
    ]
    assert found == [], "let routectl.output write it"


@pytest.mark.parametrize(
    "code",
    [
        "open(path, 'w')",
        "open(path, mode='ab')",
        "open(path, mode)",
        "path.open('x')",
        "path.open(mode='r+b')",
        "gzip.open(path, 'wt')",
        "path.write_text(text)",
        "os.open(path, flags)",
        "os.fdopen(number, 'wb')",
        "os.replace(a, b)",
        "a.replace(b)",
        "path.parent.mkdir()",
        "np.save(path, array)",
        "import shutil",
        "from tempfile import mkstemp",
        "path.unlink()",
        "sqlite3.connect(path)",
    ],
)
def test_a_planted_write_is_found(code: str) -> None:
    assert list(writes(ast.parse(code)))


@pytest.mark.parametrize(
    "code",
    ["open(path)", "path.open('rb')", "open(1, 'w')", "text.replace('a', 'b')", "x.save(buffer)"],
)
def test_what_reads_is_not(code: str) -> None:
    assert not list(writes(ast.parse(code)))
