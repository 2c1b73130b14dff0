package shop;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Disabled;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class LedgerTest {
  @Test void books() {}
  @Test void addsUp() { assertEquals(3, 1 + 1, "one & <one>"); }
  @Test void severalAtOnce() { assertAll(() -> assertEquals(1, 2), () -> assertTrue(false, "second")); }
  @Test void breaks() { throw new IllegalStateException("the ledger\nis closed"); }
  @Test @Disabled("no database") void isSkipped() {}
  @Test @DisplayName("größer → 日本語") void hasAName() {}
  @ParameterizedTest @ValueSource(ints = {1, 2, 3}) void isOdd(int row) { assertTrue(row % 2 == 1, row + " is even"); }
  @RepeatedTest(2) void again() {}
  @Nested class WhenClosed {
    @Test void refuses() { assertEquals("closed", "open"); }
  }
}
