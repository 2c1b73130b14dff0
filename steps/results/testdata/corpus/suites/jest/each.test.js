it.each([1, 2, 2])("has one title", (n) => { expect(n).toBe(2); });
it.todo("is still to be written");
beforeAll(() => {});
describe("with a hook that fails", () => {
  beforeEach(() => { throw new Error("no database"); });
  it("does not get to it", () => {});
});
