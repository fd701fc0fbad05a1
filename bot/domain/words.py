"""What the texts of a playbook and of the catalogue may look like."""

import re
from typing import Annotated

from pydantic import StringConstraints

PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)\}")
"""The whole template language: `{name}` of a declared parameter. No attributes, no expressions."""

SECRET = re.compile(r"secret:([A-Z][A-Z0-9_]*)")
"""A secret by name. Its value is looked up after the start and is never part of a plan."""

Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]
StepName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]*$", max_length=64)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
# Signs that move the cursor or turn the direction of writing would show people something else than what runs.
Line = Annotated[
    str,
    StringConstraints(
        min_length=1,
        max_length=300,
        pattern=r"^[^\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]*$",
    ),
]
ChannelId = Annotated[str, StringConstraints(pattern=r"^[CGD][A-Z0-9]+$")]
HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9-]*$", max_length=64)]
VariableName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=64)]
