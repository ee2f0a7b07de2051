from tests.fixtures.data import ROOT, locate_data


def test_data_lies_beside_the_repository_unless_told_otherwise() -> None:
    assert locate_data({}) == (ROOT.parent / "shared" / "data").resolve()


def test_relative_data_folder_counts_from_the_repository() -> None:
    assert locate_data({"PENSTOCK_DATA": "../elsewhere"}) == (ROOT.parent / "elsewhere").resolve()


def test_absolute_data_folder_is_taken_as_it_is() -> None:
    assert str(locate_data({"PENSTOCK_DATA": "/srv/data"})) == "/srv/data"
