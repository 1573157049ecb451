"""The base class of the branches of the settings tree, apart from the tree itself, which imports its branches."""

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """Base class of the branches of the settings tree."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
