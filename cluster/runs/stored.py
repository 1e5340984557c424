"""The base class of the models of stored files: immutable, and able to read other versions' files."""

import json
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from reeltune.trainables.errors import InputError
from reeltune.trainables.options import explain


class Stored(BaseModel):
    """A part of a file that is kept on disk or sent between processes.

    Reading ignores fields that this version does not know, and gives defaults to fields that an older version did not
    write. So one reader serves each file, whichever version wrote it.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True, protected_namespaces=())

    def as_json(self) -> dict[str, Any]:
        """The content of the file in JSON's types, under the names used in the file."""
        return self.model_dump(mode="json", by_alias=True)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a file. Raises InputError if it is not JSON, or does not match the model."""
        return cls.parsed(path.read_text(encoding="utf-8"), str(path))

    @classmethod
    def parsed(cls, text: str | bytes, name: str) -> Self:
        """Read a file's text. Raises InputError as `read` does, with `name` as the file's name."""
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
