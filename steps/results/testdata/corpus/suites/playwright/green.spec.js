const assert = require("node:assert"); const { test } = require("@playwright/test"); const describe = test.describe; const it = Object.assign((name, body) => test(name, body), { skip: test.skip });
describe("ledger", () => {
  it("books an entry", () => {});
  describe("when it is closed", () => {
    it("refuses an entry", () => {});
    it("is balanced", async () => {});
  });
});
it("stands alone", () => {});
