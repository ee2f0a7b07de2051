"""Answers in the shape of the model: members it does not know never leave the server."""

from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape


def shape_output(shape: Shape, value: Any) -> Any:
    """Keep what the output shape names and drop what is None; times are epoch seconds already."""
    match shape:
        case StructureShape():
            return {
                name: shape_output(member, value[name])
                for name, member in shape.members.items()
                if value.get(name) is not None
            }
        case ListShape():
            return [shape_output(shape.member, item) for item in value]
        case MapShape():
            return {key: shape_output(shape.value, item) for key, item in value.items()}
        case _:
            return value
