package shop;

import static org.junit.Assert.assertEquals;
import static org.junit.Assume.assumeTrue;

import org.junit.Ignore;
import org.junit.Test;

public class LedgerTest {
  private static int tries;

  @Test public void books() {}
  @Test public void addsUp() { assertEquals("one & <one>", 3, 1 + 1); }
  @Test public void comparesText() { assertEquals("a\nb\nc", "a\nx\nc"); }
  @Test public void breaks() { throw new IllegalStateException("the ledger\nis closed"); }
  @Test public void wraps() { throw new RuntimeException("outer", new IllegalArgumentException("the cause")); }
  @Test @Ignore("no database") public void isSkipped() {}
  @Test public void isAssumed() { assumeTrue("only in summer", false); }
  @Test public void isFlaky() { System.out.println("a try"); assertEquals("the second time", 2, ++tries); }
}
