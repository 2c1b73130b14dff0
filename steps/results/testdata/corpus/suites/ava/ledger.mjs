import test from "ava";
test("adds", (t) => { t.is(1 + 1, 2); });
test("is balanced & <closed>", (t) => { t.deepEqual({ a: 1 }, { a: 2 }); });
test("throws", () => { throw new TypeError("no balance"); });
test.skip("is skipped", (t) => { t.pass(); });
test.todo("is to be done");
