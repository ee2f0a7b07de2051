"""Contract suites for plug-ins, so that one from another distribution is held to them too."""
