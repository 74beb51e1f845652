"""What is common to all that read or change a URDF."""

from __future__ import annotations

from typing import Literal
from xml.etree.ElementTree import Element

from capture.errors import CaptureError


class RobotDescriptionError(CaptureError):
    """The URDF does not do. The message says which joint, link or file."""


def name_of(element: Element) -> str:
    """Of a link or joint."""
    return element.get("name", "")


def link_of(joint: Element, end: Literal["parent", "child"]) -> str:
    """The name of the link on one end of a joint. Raises RobotDescriptionError where it names none."""
    link = joint.find(end)
    if link is None or "link" not in link.attrib:
        raise RobotDescriptionError(f"the URDF's joint '{name_of(joint)}' needs <{end} link=>")
    return link.attrib["link"]
