describe("with a database", () => {
  beforeAll(() => { throw new Error("no database\nat all"); });
  it("is failed by it", () => {});
  it("is failed, too", () => {});
});
describe("with a file", () => {
  beforeEach(() => { throw new Error("no such file"); });
  it("is failed by it", () => {});
});
describe("that ends", () => {
  afterEach(() => { throw new Error("cannot close"); });
  it("passes first", () => {});
  it("fails twice", () => { expect(1).toBe(2); });
});
describe("that ends at last", () => {
  afterAll(() => { throw new Error("cannot end"); });
  it("passes", () => {});
});
it.todo("is to be written");
it.failing("fails as it should", () => { expect(1).toBe(2); });
