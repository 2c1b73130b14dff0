describe("basket", () => {
  it("is broken", () => expect(process.env.FIXED ? 2 : 3).toBe(2));
  it("is beside it", () => expect(1).toBe(1));
});
