RSpec.describe "ledger" do
  it("books") {}
  it("adds up") { expect(1 + 1).to eq(3), "one & <one>" }
  it("compares") { expect({ a: 1, b: [1, 2] }).to eq({ a: 1, b: [1, 3] }) }
  it("text") { expect("first\nsecond\n").to eq("first\nother\n") }
  it("breaks") { raise "the ledger\nis closed" }
  it("is pending")
  xit("is skipped") { raise "never" }
  it("is known") { pending("known"); raise "yes" }
  it("is fixed") { pending("known") }
  [1, 2].each { |row| it("row #{row}") { expect(row).to be_odd } }
  context "when closed" do
    before(:all) { raise "no database" }
    it("never runs") {}
    it("nor does this") {}
  end
  context "when it ends" do
    after { raise "cannot close" }
    it("runs") {}
    it("fails twice") { expect(1).to eq(2) }
  end
end
