import { existsSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

describe("basket", () => {
  it("is flaky", () => {
    const before = existsSync("vitest.marker");
    writeFileSync("vitest.marker", "");
    expect(before).toBe(true);
  });
});
