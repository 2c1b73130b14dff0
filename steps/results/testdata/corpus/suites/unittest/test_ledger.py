import unittest


class LedgerTest(unittest.TestCase):
    def test_books(self):
        pass

    def test_adds_up(self):
        self.assertEqual(1 + 1, 3, "one & <one>")

    def test_text(self):
        self.assertEqual("first\nsecond", "first\nother")

    def test_breaks(self):
        print("<printed> ]]>")
        raise ValueError("the ledger\nis closed")

    @unittest.skip("no database")
    def test_skipped(self):
        pass

    @unittest.expectedFailure
    def test_known(self):
        self.fail()

    @unittest.expectedFailure
    def test_fixed(self):
        pass

    def test_rows(self):
        for row in (1, 2, 3):
            with self.subTest(row=row):
                self.assertEqual(row % 2, 1)


class SetupTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        raise RuntimeError("no database")

    def test_never_runs(self):
        pass


class TeardownTest(unittest.TestCase):
    def tearDown(self):
        raise RuntimeError("cannot close")

    def test_runs(self):
        pass
