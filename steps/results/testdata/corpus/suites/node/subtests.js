const test = require("node:test");
test("with subtests", async (t) => {
  await t.test("the first", () => {});
  await t.test("the second", () => { throw new Error("no"); });
});
test("at the top");
test("skipped at the top", { skip: "not today" });
test("a todo that fails", { todo: true }, () => { throw new Error("known"); });
