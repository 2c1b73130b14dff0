import { describe, expect, it } from "vitest";

describe("basket", () => {
  it("is quarantined", () => expect("1970-01-01").toBe("today"));
});
