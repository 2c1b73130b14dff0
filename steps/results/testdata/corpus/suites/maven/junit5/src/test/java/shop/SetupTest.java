package shop;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;

class SetupTest {
  @Nested class Before {
    @Test void runs() {}
  }
  static class Unused {}
}

class ConnectTest {
  @BeforeAll static void connect() { throw new IllegalStateException("no database"); }
  @Test void neverRuns() {}
}

class CloseTest {
  @AfterEach void close() { throw new IllegalStateException("cannot close"); }
  @Test void runs() {}
}
