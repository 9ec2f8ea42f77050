"""The one error that tells a user what is wrong with what they gave us."""

from __future__ import annotations

from os import PathLike


class InputError(ValueError):
    """A bad input: one line that names the file, the field, what was found and what was expected.

    Args:
        message: what is wrong, in a few words; may be left out when `found` and `expected` say it.
        file: the file or folder at fault.
        field: the key, frame or option at fault.
        found: what was there.
        expected: what should have been there.
        hint: what to do about it.
    """

    def __init__(
        self,
        message: str | None = None,
        *,
        file: str | PathLike[str] | None = None,
        field: object = None,
        found: object = None,
        expected: object = None,
        hint: str | None = None,
    ) -> None:
        self.file, self.field, self.found, self.expected, self.hint = (
            file,
            field,
            found,
            expected,
            hint,
        )
        where = ": ".join(str(part) for part in (file, field) if part is not None)
        what = [message] if message else []
        if found is not None:
            what.append(f"found {found}")
        if expected is not None:
            what.append(f"expected {expected}")
        text = f"{where}: {', '.join(what)}" if where else ", ".join(what)
        if hint:
            text += f" ({hint})"
        super().__init__(" ".join(text.split()))
