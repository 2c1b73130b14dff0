const test = require("tape");
test("adds", (t) => { t.equal(1 + 1, 2); t.ok(true, "holds"); t.end(); });
