const { existsSync, writeFileSync } = require("node:fs");

describe("basket", () => {
  it("is flaky", () => {
    const before = existsSync("jest.marker");
    writeFileSync("jest.marker", "");
    expect(before).toBe(true);
  });
});
