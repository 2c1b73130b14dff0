import { it, describe, expect, beforeAll } from "vitest";
let attempt = 0;
it("passes at the second attempt", { retry: 2 }, () => { if (++attempt < 2) throw new Error("attempt " + attempt); });
it("fails at every attempt", { retry: 1 }, () => { throw new Error("never"); });
it.todo("is still to be written");
it.each([1, 2, 2])("has one title", (n) => { expect(n).toBe(2); });
describe("with a hook that fails", () => {
  beforeAll(() => { throw new Error("no database"); });
  it("does not get to it", () => {});
});
