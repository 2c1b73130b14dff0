import pytest


@pytest.fixture(scope="module", autouse=True)
def database():
    raise RuntimeError("no database")


def test_one():
    pass


def test_two():
    pass
