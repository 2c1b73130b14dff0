def test_books():
    pass
