const test = require("tape");
test("books & <adds>", (t) => { t.equal(1 + 1, 2, "adds"); t.equal(1, 2, "is balanced"); t.end(); });
test("größer", (t) => { t.pass("ok → 日本語"); t.comment("a comment"); t.end(); });
test("later", { skip: true }, (t) => { t.end(); });
test("throws", (t) => { t.throws(() => { throw new Error("x"); }); t.skip("not now"); t.end(); });
