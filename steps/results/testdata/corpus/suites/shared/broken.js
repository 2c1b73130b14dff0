require_("nothing");
describe("never reached", () => { it("is not run", () => {}); });
