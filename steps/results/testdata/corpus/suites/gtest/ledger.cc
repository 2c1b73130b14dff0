#include <gtest/gtest.h>

#include <stdexcept>

TEST(Ledger, Books) {}
TEST(Ledger, AddsUp) { EXPECT_EQ(1 + 1, 3) << "one & <one>"; EXPECT_EQ(2, 4); }
TEST(Ledger, Throws) { throw std::runtime_error("the ledger\nis closed"); }
TEST(Ledger, IsSkipped) { GTEST_SKIP() << "no database"; }
TEST(Ledger, DISABLED_Never) {}

class Rows : public testing::TestWithParam<int> {};
TEST_P(Rows, IsOdd) { EXPECT_EQ(GetParam() % 2, 1); }
INSTANTIATE_TEST_SUITE_P(Some, Rows, testing::Values(1, 2, 3));

class Setup : public testing::Test {
 protected:
  static void SetUpTestSuite() { FAIL() << "no database"; }
};
TEST_F(Setup, Runs) {}
