jest.retryTimes(2);
let attempt = 0;
it("passes at the second attempt", () => { if (++attempt < 2) throw new Error("attempt " + attempt); });
it("passes", () => {});
it("fails at every attempt", () => { throw new Error("never"); });
