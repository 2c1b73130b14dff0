const assert = require("node:assert");
require_("nothing");
describe("never reached", () => { it("is not run", () => {}); });
