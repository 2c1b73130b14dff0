package shop;

import static org.junit.Assert.assertTrue;

import java.util.Arrays;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.junit.runners.Parameterized;

@RunWith(Parameterized.class)
public class RowsTest {
  @Parameterized.Parameters(name = "{0}") public static Iterable<Object[]> rows() {
    return Arrays.asList(new Object[][] {{1}, {2}, {3}});
  }
  @Parameterized.Parameter public int row;

  @Test public void isOdd() { assertTrue(row + " is even", row % 2 == 1); }
}
