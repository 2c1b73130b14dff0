describe("ledger", () => {
  it("books an entry", () => {});
  describe("when it is closed", () => {
    it("refuses an entry", () => {});
    it("is balanced", async () => {});
  });
});
it("stands alone", () => {});
