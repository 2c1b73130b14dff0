import sys

import pytest


def test_books():
    pass


def test_adds_up():
    one, other = 1 + 1, 3
    print("<printed> & ]]>")
    print("to stderr", file=sys.stderr)
    assert one == other, "one & <one>"


def test_compares():
    assert {"a": [1, 2], "b": "x" * 20} == {"a": [1, 3], "b": "x" * 20}


def test_text():
    assert "first\nsecond\nthird" == "first\nother\nthird"


def test_breaks():
    raise ValueError("the ledger\nis closed")


@pytest.mark.parametrize("row", [1, 2, "größer → 日本語", "a b/c::d[e]"])
def test_rows(row):
    assert row != 2


@pytest.mark.skip(reason="no database")
def test_skipped():
    pass


@pytest.mark.xfail(reason="known")
def test_known():
    assert False


@pytest.mark.xfail(strict=True)
def test_fixed():
    pass


class TestClosed:
    @pytest.fixture
    def database(self):
        raise RuntimeError("no database")

    @pytest.fixture
    def file(self):
        yield
        raise RuntimeError("cannot close")

    def test_setup(self, database):
        pass

    def test_teardown(self, file):
        pass

    def test_both(self, file):
        assert 1 == 2
