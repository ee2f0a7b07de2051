from penstock_local.environment import aws_variables, inherited


def test_a_part_never_sees_another_aws_of_the_one_who_starts_it() -> None:
    mine = {"AWS_PROFILE": "production", "AWS_SESSION_TOKEN": "secret", "PATH": "/bin"}
    environment = inherited(mine) | aws_variables("http://127.0.0.1:4566")
    assert environment["PATH"] == "/bin"
    assert "AWS_PROFILE" not in environment
    assert "AWS_SESSION_TOKEN" not in environment
    assert environment["AWS_SHARED_CREDENTIALS_FILE"] == "/dev/null"


def test_the_loopback_addresses_go_round_any_proxy() -> None:
    environment = inherited({"HTTP_PROXY": "http://proxy:3128", "NO_PROXY": "intranet"})
    assert "127.0.0.1" in environment["NO_PROXY"]
