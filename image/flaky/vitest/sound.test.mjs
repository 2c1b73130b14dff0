import { describe, expect, it } from "vitest";

describe("basket", () => {
  it("is empty at first", () => expect([]).toHaveLength(0));
});
