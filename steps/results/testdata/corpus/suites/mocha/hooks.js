const assert = require("node:assert");
describe("with a database", () => {
  before(() => { throw new Error("no database\nat all"); });
  it("never runs", () => {});
  it("nor does this", () => {});
});
describe("with a file", () => {
  beforeEach("opens it", () => { throw new Error("no such file"); });
  it("is the first", () => {});
  it("is not run", () => {});
});
describe("that ends", () => {
  afterEach(() => { throw new Error("cannot close"); });
  it("passes", () => {});
  it("is not run either", () => {});
});
describe("that ends at last", () => {
  after(() => { throw new Error("cannot end"); });
  it("passes", () => {});
});
describe("of rows", () => {
  for (const row of [1, 2, 2]) it(`row ${row}`, () => assert.ok(row % 2));
  it("is pending");
  it.skip("is skipped", () => {});
});
