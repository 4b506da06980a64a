"""The field in which a form has the token of its viewer."""

from typing import Final

FORM_TOKEN: Final = "form_token"  # noqa: S105 - the name of a field
