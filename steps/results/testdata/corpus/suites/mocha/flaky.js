let attempt = 0;
describe("with a retry", function () {
  this.retries(2);
  it("passes at the second attempt", () => { if (++attempt < 2) throw new Error("attempt " + attempt); });
  it("fails at every attempt", () => { throw new Error("never"); });
});
it("is still to be written");
describe("with a hook that fails", () => {
  before(() => { throw new Error("no database"); });
  it("does not get to it", () => {});
});
it("takes too long", function (done) { this.timeout(20); });
