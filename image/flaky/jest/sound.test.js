describe("basket", () => {
  it("is empty at first", () => expect([]).toHaveLength(0));
});
