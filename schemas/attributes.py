"""The fields that the events of several streams have: free attributes, and a customer's rating."""

from typing import Annotated

from pydantic import BeforeValidator, Field

ATTRIBUTES_LIMIT = 64


def no_integer(value: object) -> object:
    """Refuse integers, so that integers beyond 64 bits do not become rounded floats."""
    if type(value) is int:
        raise ValueError("expected a float, found an integer")
    return value


AttributeName = Annotated[str, Field(min_length=1, max_length=64)]
AttributeText = Annotated[str, Field(max_length=1_000)]
AttributeInteger = Annotated[int, Field(ge=-(2**63), lt=2**63)]
AttributeFloat = Annotated[float, BeforeValidator(no_integer)]
AttributeValue = AttributeText | AttributeInteger | AttributeFloat | bool | None

StoredValue = str | AttributeInteger | AttributeFloat | bool | None
"""An attribute as it is stored. Text has no length limit here, because its composed Unicode form can be longer than the
input."""

Rating = Annotated[int, Field(ge=1, le=5)]
"""A customer's rating; 5 is best."""
