describe("names & <text>", () => {
  it('says "quotes" & <angles>', () => {});
  it("größer → 日本語 👩‍🚀 \u0301", () => { console.log("👍 ]]> \u001b[32mgreen\u001b[0m <b>&amp;</b>"); });
  it("has \u001b[31mcolour\u001b[0m and a bell \u0007", () => { throw new Error("\u001b[31mred\u001b[39m \u0000 \u0008 ]]> &nbsp; \uFFFF"); });
  it("is " + "long ".repeat(100), () => { throw new Error("x".repeat(3000)); });
  it("line\nbreak\tand tab", () => {});
});
