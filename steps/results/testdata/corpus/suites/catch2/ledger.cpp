#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>

#include <stdexcept>

TEST_CASE("books") { CHECK(true); }
TEST_CASE("adds up", "[sum]") { INFO("one & <one>"); CHECK(1 + 1 == 3); CHECK(2 == 4); }
TEST_CASE("throws") { throw std::runtime_error("the ledger\nis closed"); }
TEST_CASE("ledger") {
  SECTION("open") { CHECK(true); }
  SECTION("closed") { REQUIRE(std::string("open") == "closed"); }
}
TEST_CASE("may fail", "[!mayfail]") { CHECK(false); }
TEST_CASE("asserts nothing") {}
