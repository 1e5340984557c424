"""What every model of a stored file has in common: it cannot be changed, and reads files of other versions."""

import json
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from reeltune.trainables.errors import InputError
from reeltune.trainables.options import explain


class Stored(BaseModel):
    """A part of a file that is kept on disk or sent between processes.

    Fields that this version does not know are left out, and those that an older version did not write have defaults,
    so that each file has one reader whichever version wrote it.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True, protected_namespaces=())

    def as_json(self) -> dict[str, Any]:
        """The content of the file: JSON's own types, by the names that stand in it."""
        return self.model_dump(mode="json", by_alias=True)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a file. Raises InputError where it is no JSON, or not what it should be."""
        return cls.parsed(path.read_text(), str(path))

    @classmethod
    def parsed(cls, text: str | bytes, name: str) -> Self:
        """Read a file's text; `name` says in an error which file it is."""
        try:
            content = json.loads(text)
        except json.JSONDecodeError as error:
            raise InputError(f"{name}: expected JSON; {error}") from None
        if not isinstance(content, dict):
            raise InputError(f"{name}: expected a JSON object; found {type(content).__name__}")
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            raise InputError(f"{name}: {explain(error, cls)}") from None
