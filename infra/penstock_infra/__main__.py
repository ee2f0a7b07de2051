"""`penstock-infra`: what `cdk` runs to have the templates; writes them to the cloud assembly."""

from penstock_infra.node import use_node


def main() -> None:
    """Synthesize the deployment that the context names."""
    use_node()
    from penstock_infra.app import synthesize  # noqa: PLC0415 -- after Node is found

    synthesize()


if __name__ == "__main__":
    main()
