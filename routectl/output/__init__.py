"""Every file and folder that a command writes is opened here, and nowhere else.

`named` is the file that a user named, `own` what has names of routectl's own, `checks` what neither
may be: a database or an input under any of their names, a device, pipe, socket or folder, or a path
through a link that somebody else may have laid.
"""

from routectl.output.checks import (
    check_folder,
    check_new_folder,
)
from routectl.output.named import (
    Output,
    Write,
)
from routectl.output.own import (
    PRIVATE,
    PUBLIC,
    append_line,
    keep_copy,
    link_folder,
    make_folder,
    make_private,
    new_file,
    new_folder,
    open_kept,
    own_folder,
    remove_file,
    remove_folder,
    replace_own,
    write_in,
)

__all__ = [
    "PRIVATE",
    "PUBLIC",
    "Output",
    "Write",
    "append_line",
    "check_folder",
    "check_new_folder",
    "keep_copy",
    "link_folder",
    "make_folder",
    "make_private",
    "new_file",
    "new_folder",
    "open_kept",
    "own_folder",
    "remove_file",
    "remove_folder",
    "replace_own",
    "write_in",
]
