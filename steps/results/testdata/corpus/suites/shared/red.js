describe("ledger", () => {
  it("books an entry", () => {});
  it("adds up", () => { assert.strictEqual(1 + 1, 3, "one and one"); });
  it("does not throw", () => { throw new TypeError("cannot read the balance of undefined"); });
  it("compares objects", () => { assert.deepStrictEqual({ a: [1, 2], b: "<x> & y" }, { a: [1, 3], b: "<x> & z" }); });
  it.skip("is closed at midnight", () => { throw new Error("never"); });
  it("rejects", async () => { await Promise.reject(new Error("rejected\nwith a second line")); });
  describe("of last year", () => {
    it("has one name", () => {});
    it("has one name ", () => { throw "a string, no error"; });
  });
});
